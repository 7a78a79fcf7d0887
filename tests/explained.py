#!/usr/bin/env python3
"""explained.py GANTRY CASES [GOLDENS]: `config --explain` knows every value that `config` prints.

Of each project (fixed_point.py finds them) some values are asked for by their path: the answer must be the value that is printed, and it
must name a line of a file that is there, or be one of the values that nobody writes (DEFAULTS).
"""
import json
import os
import re
import sys

import fixed_point

# What config adds by itself. Null and empty values too.
DEFAULTS = re.compile(r'\["(name|dockerfile|required|restart|count|replicas)"\]$|^name$')


def leaves(value, path):
    if isinstance(value, dict) and value:
        for k, v in value.items():
            if '"' not in k and k:
                yield from leaves(v, f'{path}["{k}"]' if path else k)
    elif isinstance(value, list) and value:
        for i, v in enumerate(value):
            yield from leaves(v, f"{path}[{i}]")
    else:
        yield path, value


def wrong(path, value, answer, cwd):
    """What is wrong with the answer, or None."""
    got = answer.get("value")
    if value not in (None, {}, []) and got != value and str(got) != str(value).replace("$$", "$"):
        return f"{path} is {got!r}, but {value!r} is printed"
    origin = answer["from"]
    if origin["layer"] == "default":
        return None if value in (None, {}, []) or DEFAULTS.search(path) else f"{path} is said to be a default"
    if origin["layer"] in ("project", "shell environment"):
        return None if path == "name" else f"{path} is said to come from the {origin['layer']}"
    with open(os.path.join(cwd, origin["file"]), encoding="utf-8", errors="replace") as f:
        lines = f.read().count("\n") + 1
    return None if 1 <= origin["line"] <= lines else f"{path}: line {origin['line']} of {lines}"


def check(job):
    (name, words, cwd, env), count = job
    code, out, _ = fixed_point.gantry([*words, "--format", "json"], cwd, env)
    if code:
        return 0, []
    values = list(leaves(json.loads(out), ""))
    values = values[len(name) % max(1, len(values) // count)::max(1, len(values) // count)][:count]
    found = []
    for path, value in values:
        code, out, error = fixed_point.gantry([*words, "--format", "json", "--explain", path], cwd, env)
        found.append(error.strip() if code else wrong(path, value, json.loads(out), cwd))
    mistakes = [f"{name}: {text}" for text in found if text]
    return len(found) - len(mistakes), mistakes


def main():
    return fixed_point.run(check, 200, "too few values were asked for", lambda job: (job, 40), lambda job: (job, 2))


if __name__ == "__main__":
    sys.exit(main())
