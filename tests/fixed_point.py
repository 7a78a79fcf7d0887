#!/usr/bin/env python3
"""fixed_point.py GANTRY CASES [GOLDENS]: `config` of what `config` printed prints the same again, as YAML and as JSON.

CASES are the folders of tests/cases/compose that load; GOLDENS, where they are, recorded projects of other people (not part of the project).
What was printed is loaded from another folder's view: no .env, no variables, all profiles (inactive services are not printed).
"""
import difflib
import os
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

ENV = {"PATH": os.environ["PATH"], "HOME": "/root", "USER": "root", "LANG": "C.UTF-8"}
# Projects that docker compose prints so that they do not load again, or not to the same; gantry prints the same.
KNOWN = {
    "compose-086-pkg-e2e-testdata-TestComposeRunNotRequiredDeps": "a dependency that is not required stays although its inactive service goes",
    "compose-185-pkg-e2e-testdata-TestUpSwitchVolumes": "an empty name of an external volume is left out",
    "dockerfile-empty": "an empty dockerfile is left out, which means the same",
}


def gantry(args, cwd, env, text=None):
    p = subprocess.run([sys.argv[1], *args], cwd=cwd, env=env, input=text, stdin=subprocess.DEVNULL if text is None else None,
                       capture_output=True, timeout=60)
    return p.returncode, p.stdout, p.stderr.decode("utf-8", "replace")


def differs(words, cwd, env, form):
    """None: it does not load, so there is nothing to compare; "" when it is a fixed point, else what is wrong."""
    code, first, _ = gantry([*words, "--format", form], cwd, env)
    if code:
        return None
    code, again, error = gantry(["--profile", "*", "--env-file", "/dev/null", "-f", "-", "config", "--format", form], cwd, ENV, first)
    if code:
        return f"{form}: it does not load again: {error.strip()}"
    if again == first:
        return ""
    lines = difflib.unified_diff(first.decode().splitlines(), again.decode().splitlines(), "first", "again", lineterm="", n=1)
    return f"{form}: " + "\n".join(list(lines)[:12])


def read(path, default=""):
    try:
        with open(path, encoding="utf-8") as f:
            return f.read()
    except FileNotFoundError:
        return default


def plain(words):
    """The arguments without a form; None when they ask for a part, or for a project that is not whole."""
    if "config" not in words:
        return None
    out, skip = [], False
    at = words.index("config")
    for i, w in enumerate(words):
        if skip:
            skip = False
        elif w == "--format":
            skip = True
        elif i > at:
            return None
        else:
            out.append(w)
    return out


def variables(text):
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def cases(folder):
    for name in sorted(os.listdir(folder)):
        case = os.path.join(folder, name)
        if os.path.exists(os.path.join(case, "expect")):
            words = plain(shlex.split(read(os.path.join(case, "args"), "-p test config")))
            if words:
                yield name, words, case, {**ENV, **variables(" ".join(read(os.path.join(case, "env")).split()).replace(" ", "\n"))}


def goldens(folder):
    for name in sorted(os.listdir(folder)):
        case = os.path.join(folder, name)
        words = plain(shlex.split(read(os.path.join(case, "cmd"))))
        if words and os.path.exists(os.path.join(case, "expect.json")):
            cwd = os.path.join(case, "project", read(os.path.join(case, "cwd"), ".").strip())
            yield name, words, cwd, {**ENV, **variables(read(os.path.join(case, "env")))}


def check(job):
    name, words, cwd, env = job
    found = [d for d in (differs(words, cwd, env, form) for form in ("yaml", "json")) if d is not None]
    wrong = [f"{name}: {d}" for d in found if d]
    if name in KNOWN:
        return 0, [] if wrong else [f"{name} is a fixed point by now: take it off KNOWN"]
    return len(found) - len(wrong), wrong


def run(check, least, few, case=lambda job: job, golden=lambda job: job):
    """Checks every project: CHECK gives how much of it was right, and texts about the rest. FEW is said when less than LEAST was right."""
    jobs = [case(job) for job in cases(sys.argv[2])]
    folder = os.path.join(sys.argv[3], "cases") if len(sys.argv) > 3 else ""
    if os.path.isdir(folder):
        jobs += [golden(job) for job in goldens(folder)]
    else:
        print("skipped: no goldens")
    passed = failed = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for right, wrong in pool.map(check, jobs):
            passed += right
            failed += len(wrong)
            for text in wrong:
                print(f"not ok {text}")
    if passed < least:
        print(f"not ok: {few}")
        failed += 1
    print(f"{passed} passed, {failed} failed")
    return failed != 0


def main():
    return run(check, 20, "too few cases were found")


if __name__ == "__main__":
    sys.exit(main())
