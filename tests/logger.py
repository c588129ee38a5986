"""Writes a run in format 3 of docs/RUN_LOG.md, with Python's standard library alone."""
import json, math, os, sys, time, zlib


def logger(path):
    log = open(path, "ab", buffering=0)
    number = 0

    def write(kind, step, time_ms, twice=False, **what):
        nonlocal number
        number += 1
        event = {kind: {"step": step, **what, "time": {"at_ms": time_ms}}}
        body = json.dumps(event, separators=(",", ":"))[:-1] + ',"record":%d' % number
        line = body + ',"crc32":"%08x"}\n' % zlib.crc32(body.encode())
        log.write((line * (2 if twice else 1)).encode())

    return write


folder, steps, pause = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
os.makedirs(folder)
with open(os.path.join(folder, "run.json"), "w") as file:
    json.dump({"version": 3, "lanes": [{"name": "gpt", "log": "gpt.jsonl"}]}, file)
layers = [{"name": f"h.{i}.{part}"} for i in range(4) for part in ("attn.qkv", "attn.out", "mlp.fc", "mlp.out")]
metrics = [
    {"name": "perplexity", "better": "lower"},
    {"name": "tokens", "about": "tokens seen so far"},
    {"name": "spectral_radius", "over": ["layer"], "scale": "log"},
    {"name": "skew", "over": ["layer"], "scale": "signed"},
    {"name": "attention_entropy", "over": ["layer", "head"], "unit": "bits"},
    {"name": "sharpness", "over": ["alpha"], "about": "loss along a direction"},
]
axes = [{"name": "head", "points": ["a", "b", "c"]}, {"name": "alpha", "points": [-1.0, -0.5, 0.0, 0.5, 1.0]}]
write = logger(os.path.join(folder, "gpt.jsonl"))
write("lane_started", 0, 0.0, twice=True, version=3, lane="gpt", layers=layers, metrics=metrics, axes=axes)
for step in range(1, steps + 1):
    wave = [math.sin(step / 9 + i) for i in range(len(layers))]
    values = {"perplexity": 40 / step**0.3, "tokens": 2048 * step, "spectral_radius": [2 + w for w in wave], "skew": wave}
    values["attention_entropy"] = [[2 + w / (h + 1) for h in range(3)] for w in wave]
    if step % 10 == 0:
        values["sharpness"] = [2 + a * a + 1 / step for a in axes[1]["points"]]
    write("measured", step, 50.0 * step, values=values)
    time.sleep(pause)
write("lane_finished", steps, 50.0 * steps, outcome="completed")
