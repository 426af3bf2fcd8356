#!/usr/bin/env python3
"""Keeps crates/features/Cargo.toml, which makes every selection of packages build the same dependencies.

Cargo unites the features of whatever is built together, so `cargo test -p firebrand-model` and `cargo build --workspace`
would each compile burn and polars anew. Every crate of the workspace that needs one of them therefore depends on
`firebrand-features`, which asks for the union of all features of the dependencies whose features would differ.

    scripts/unify_features.py            writes the union into crates/features/Cargo.toml
    scripts/unify_features.py --check    exit code 1 if some selection of packages still differs

Needs cargo and Python 3.11, and touches no network: run `cargo fetch` first.
"""
import argparse
import itertools
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MANIFEST = ROOT / "crates/features/Cargo.toml"
MARK = "# Written by scripts/unify_features.py from here on.\n"


def cargo(*arguments):
    command = ["cargo", *arguments, "--offline"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"error: `{' '.join(command)}` failed:\n{result.stderr}")
    return result.stdout


def resolve(selection, edges):
    """The third-party packages of a selection as (name, version, features), those for the target and those for the host.

    Procedural macros and build scripts are made of the latter, whose features cargo resolves separately.
    """
    target, host = set(), set()
    macro = None  # depth of the procedural macro that the lines below belong to
    lines = cargo("tree", "--prefix=depth", "--no-dedupe", "--format={p}|{f}|", f"--edges={edges}", *selection).splitlines()
    for line in lines:
        match = re.match(r"(\d+)(.*?)\|(.*?)\|", line)
        if match is None:
            continue
        depth, package, names = int(match[1]), match[2], match[3]
        if macro is not None and depth <= macro:
            macro = None
        if "(proc-macro)" in package and macro is None:
            macro = depth
        if "(/" not in package:  # our own have a path
            name, version = package.split()[:2]
            version = version.removeprefix("v").partition("+")[0]  # a requirement has no build metadata
            (target if macro is None else host).add((name, version, names))
    return target, host


def resolve_every_way(selection):
    """What the selection resolves to, with and without development dependencies, as (where, name, version, features)."""
    if len(selection) > 1 and "firebrand-features" not in cargo("tree", "--edges=normal", "--prefix=none", *selection):
        return []  # small
    packages = []
    for dev in ("", ",dev"):
        target, host = resolve(selection, "normal" + dev)
        with_scripts = set().union(*resolve(selection, "normal,build" + dev))
        packages += [("target", *package) for package in target]
        packages += [("host", *package) for package in host | (with_scripts - target)]
    return packages


def varying():
    """Packages whose features depend on the selection, with the union of their features."""
    metadata = json.loads(cargo("metadata", "--no-deps", "--format-version=1"))
    selections = [["--workspace"]] + [["--package", package["name"]] for package in metadata["packages"]]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(resolve_every_way, selections))
    resolved = {}
    for where, name, version, names in itertools.chain.from_iterable(found):
        resolved.setdefault((where, name, version), set()).add(names)
    union = lambda choices: sorted({feature for choice in choices for feature in choice.split(",")} - {""})
    return {package: union(choices) for package, choices in resolved.items() if len(choices) > 1}


def previous():
    """What the manifest asks for already."""
    entries = {}
    where = "target"
    for line in MANIFEST.read_text().partition(MARK)[2].splitlines():
        if line == "[build-dependencies]":
            where = "host"
        elif match := re.match(r'\S+ = \{ package = "(.+?)", version = "(.+?)".*features = (\[.*\])', line):
            entries[(where, match[1], match[2])] = json.loads(match[3])
    return entries


def write():
    wanted = previous()
    for package, names in varying().items():
        wanted[package] = sorted(set(names) | set(wanted.get(package, [])))
    text = MANIFEST.read_text().partition(MARK)[0] + MARK
    for where, table in (("target", "[dependencies]\n"), ("host", "\n[build-dependencies]\n")):
        text += table
        for (_, name, version), names in sorted(item for item in wanted.items() if item[0][0] == where):
            alias = f"{name}-{re.sub('[.+]', '_', version)}"
            text += f'{alias} = {{ package = "{name}", version = "{version}", default-features = false, features = {json.dumps(names)} }}\n'
    MANIFEST.write_text(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="writes nothing")
    if parser.parse_args().check:
        differing = varying()
        for (where, name, version), names in sorted(differing.items()):
            print(f"{name} {version} ({where}): its features depend on which packages are built: {', '.join(names)}")
        if differing:
            sys.exit("run scripts/unify_features.py and commit crates/features/Cargo.toml")
    else:
        write()


if __name__ == "__main__":
    main()
