#!/usr/bin/env python3
"""schema_check.py GANTRY CASES [GOLDENS]: holds `config --schema` against files that load and files that do not.

Every compose file of CASES that loads validates, and so does what `config` prints for it. Each of BAD does not, at the place named. With
GOLDENS (recorded answers of docker compose, not part of the project) the same for every case of one file that gives a model.
"""
import json
import os
import re
import shlex
import subprocess
import sys
import warnings

import jsonschema
import yaml

warnings.simplefilter("ignore")


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """Scalars as gantry resolves them: YAML 1.2's booleans, no dates, no base 60; !override says nothing about its value."""


Loader.yaml_implicit_resolvers = {}
for tag, pattern, first in (
    ("null", r"^(?:~|null|Null|NULL|)$", list("~nN") + [""]),
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"^[-+]?(?:0|[1-9][0-9_]*|0x[0-9a-fA-F_]+|0o?[0-7_]+|0b[01_]+)$", list("-+0123456789")),
    ("float", r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$", list("-+0123456789.")),
    ("merge", r"^(?:<<)$", ["<"]),
):
    Loader.add_implicit_resolver("tag:yaml.org,2002:" + tag, re.compile(pattern), first)
RESET = object()


def tagged(loader, suffix, node):
    if suffix == "reset":
        return RESET
    node.tag = {yaml.MappingNode: "tag:yaml.org,2002:map", yaml.SequenceNode: "tag:yaml.org,2002:seq"}.get(
        type(node), "tag:yaml.org,2002:str")
    return loader.construct_object(node, deep=True)


Loader.add_multi_constructor("!", tagged)
Loader.add_constructor("tag:yaml.org,2002:int", lambda l, n: int(l.construct_scalar(n).replace("_", "").replace("0o", "0") or 0, 8)
                       if re.match(r"^[-+]?0o?[0-7]+$", l.construct_scalar(n)) else int(l.construct_scalar(n).replace("_", ""), 0))


def clean(v):
    if isinstance(v, dict):
        return {str(k): clean(x) for k, x in v.items() if x is not RESET}
    if isinstance(v, list):
        return [clean(x) for x in v if x is not RESET]
    return v


def documents(text):
    return [clean(d) for d in yaml.load_all(text, Loader) if d is not None]


def read(path):
    """The documents of a file; none when it is one of the few that go-yaml takes and PyYAML does not."""
    with open(path, "rb") as f:
        try:
            return documents(f.read())
        except (yaml.YAMLError, ValueError, UnicodeDecodeError):
            return []


# Recorded answers that the schema refuses on purpose.
STRICTER = {
    "hand-include-bad-key": "docker compose passes over unknown keys of include, gantry warns of them, an editor points them out",
    "hand-volumes-bad-type": "a type that no engine knows",
    "hand-volumes-bad-type as printed": "a type that no engine knows",
    "podmancompose-069-tests-integration-filesystem-compose-symlink": "the recorded file is the text of a link",
    "spec-003-05-services-md-block2 as printed": "docker compose's JSON writes blkio keys with a capital letter",
}
# what is written, and the key or item that the schema must point to
BAD = [
    ("services: []", "services"),
    ("service: {}", ""),
    ("services: {a: {imagee: x}}", "services.a"),
    ("services: {a b: {image: x}}", "services"),
    ("services: {a: {image: [x]}}", "services.a.image"),
    ("services: {a: {image: 3}}", "services.a.image"),
    ("services: {a: {ports: 80}}", "services.a.ports"),
    ("services: {a: {ports: [{target: 80, publish: 8}]}}", "services.a.ports.0"),
    ("services: {a: {environment: [3]}}", "services.a.environment"),
    ("services: {a: {environment: {A: [1]}}}", "services.a.environment"),
    ("services: {a: {environment: A=1}}", "services.a.environment"),
    ("services: {a: {command: {a: b}}}", "services.a.command"),
    ("services: {a: {privileged: [true]}}", "services.a.privileged"),
    ("services: {a: {pull_policy: sometimes}}", "services.a.pull_policy"),
    ("services: {a: {cgroup: guest}}", "services.a.cgroup"),
    ("services: {a: {oom_score_adj: 2000}}", "services.a.oom_score_adj"),
    ("services: {a: {mem_limit: {a: 1}}}", "services.a.mem_limit"),
    ("services: {a: {stop_grace_period: 3}}", "services.a.stop_grace_period"),
    ("services: {a: {depends_on: {b: {condition: service_up}}}}", "services.a.depends_on"),
    ("services: {a: {depends_on: {b: {}}}}", "services.a.depends_on"),
    ("services: {a: {depends_on: [b, b]}}", "services.a.depends_on"),
    ("services: {a: {healthcheck: {retry: 3}}}", "services.a.healthcheck"),
    ("services: {a: {build: {contxt: .}}}", "services.a.build"),
    ("services: {a: {build: [a]}}", "services.a.build"),
    ("services: {a: {deploy: {resources: {limits: {memory: 30}}}}}", "services.a.deploy"),
    ("services: {a: {volumes: [{source: a, target: /a}]}}", "services.a.volumes.0"),
    ("services: {a: {volumes: [{type: floppy, target: /a}]}}", "services.a.volumes.0"),
    ("services: {a: {networks: {n: {priority: high}}}}", "services.a.networks"),
    ("services: {a: {ulimits: {nofile: {soft: [1]}}}}", "services.a.ulimits.nofile"),
    ("services: {a: {extends: {file: b.yaml}}}", "services.a.extends"),
    ("services: {a: {logging: {options: [a]}}}", "services.a.logging.options"),
    ("include: a.yaml", "include"),
    ("include: [{paths: a.yaml}]", "include.0"),
    ("networks: {n: {ipam: {config: [{subnets: x}]}}}", "networks.n.ipam"),
    ("volumes: {v: {driver: 3}}", "volumes.v"),
    ("secrets: {s: {path: x}}", "secrets.s"),
    ("configs: {c: {content: [x]}}", "configs.c.content"),
    ("models: {m: {context_size: 3}}", "models.m"),
    ("version: 3.8", "version"),
]


class Check:
    def __init__(self, gantry):
        self.gantry = gantry
        text = subprocess.run([gantry, "config", "--schema"], check=True, capture_output=True, text=True).stdout
        self.schema = json.loads(text)
        jsonschema.Draft7Validator.check_schema(self.schema)
        self.validator = jsonschema.Draft7Validator(self.schema)
        self.passed = self.failed = 0

    def tell(self, good, text):
        self.passed += good
        self.failed += not good
        if not good:
            print("not ok " + text)

    def good(self, name, document):
        error = jsonschema.exceptions.best_match(self.validator.iter_errors(document))
        if name in STRICTER:
            self.tell(error is not None, f"{name} validates by now: take it off STRICTER")
            return
        self.tell(error is None, f"{name}: {error and '.'.join(map(str, error.absolute_path))}: {error and error.message[:200]}")

    def bad(self, text, where):
        paths = {".".join(map(str, e.absolute_path)) for e in self.validator.iter_errors(documents(text)[0])}
        self.tell(any(p == where or p.startswith(where + ".") for p in paths), f"refuses {text} at '{where}', but found {sorted(paths)}")

    def cases(self, folder):
        for name in sorted(os.listdir(folder)):
            case = os.path.join(folder, name)
            if not os.path.exists(os.path.join(case, "expect")):
                continue
            if os.path.exists(os.path.join(case, "compose.yaml")):
                for d in read(os.path.join(case, "compose.yaml")):
                    self.good(name, d)
            for d in read(os.path.join(case, "expect")):
                if isinstance(d, dict) and "name" in d:
                    self.good(name + " as printed", d)

    def golden(self, case, name):
        """The case's file, when there is just one, and what docker compose printed."""
        with open(os.path.join(case, "expect.json"), encoding="utf-8") as f:
            self.good(name + " as printed", json.load(f))
        with open(os.path.join(case, "cmd"), encoding="utf-8") as f:
            words = shlex.split(f.read())
        cwd = os.path.join(case, "project", open(os.path.join(case, "cwd"), encoding="utf-8").read().strip())
        files = [words[i + 1] for i, w in enumerate(words) if w in ("-f", "--file")]
        if not files:
            files = [n for n in sorted(os.listdir(cwd)) if re.match(r"(docker-)?compose(\.override)?\.ya?ml$", n)]
        if len(files) != 1 or not os.path.isfile(os.path.join(cwd, files[0])):
            return
        found = read(os.path.join(cwd, files[0]))
        for d in found if len(found) == 1 else []:
            self.good(name, d)

    def goldens(self, folder):
        for name in sorted(os.listdir(folder)):
            case = os.path.join(folder, name)
            if os.path.exists(os.path.join(case, "expect.json")) and os.path.exists(os.path.join(case, "cwd")):
                self.golden(case, name)


def main():
    check = Check(sys.argv[1])
    for text, where in BAD:
        check.bad(text, where)
    check.cases(sys.argv[2])
    if check.passed < len(BAD) + 20:
        print("not ok: too few cases were found")
        check.failed += 1
    goldens = os.path.join(sys.argv[3], "cases") if len(sys.argv) > 3 else ""
    if os.path.isdir(goldens):
        check.goldens(goldens)
    else:
        print("skipped: no goldens")
    print(f"{check.passed} passed, {check.failed} failed")
    return check.failed != 0


if __name__ == "__main__":
    sys.exit(main())
