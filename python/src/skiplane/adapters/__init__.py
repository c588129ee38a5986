"""For training loops of other libraries, a module each, which need them when they are used."""
