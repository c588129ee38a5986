"""Tables on a terminal. Knows nothing of what stands in them."""

from statistics import median


def write(heading, rows):
    """Writes rows of text below a heading, the first column aligned left, the others right."""
    widths = [max(len(row[column]) for row in (heading, *rows)) for column in range(len(heading))]
    for row in (heading, *rows):
        others = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        print("  ".join([row[0].ljust(widths[0]), *others]).rstrip())


def spread(values, form):
    """The median, and in parentheses the least and the greatest."""
    return f"{form.format(median(values))} ({form.format(min(values))} to {form.format(max(values))})"


def mebibytes(count):
    return f"{count / 2**20:.1f} MiB"


def bytes_of(text):
    """The number that a text such as `12.5 MiB` stands for."""
    number, unit = text.split()
    return float(number.replace(",", "")) * {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}[unit]
