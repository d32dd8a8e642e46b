"""What the documents and docstrings promise: cited files exist, sections too, one parameter a line, plain words."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import tokenize
from functools import cache
from pathlib import Path

import pytest
from test_layers import ROWS

ROOT = Path(__file__).resolve().parents[1]


@cache
def _tracked() -> tuple[str, ...]:
    """Files of the repository; where git is not there, all files below the folders that it would name."""
    try:
        listing = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        return tuple(name for name in listing.stdout.splitlines() if (ROOT / name).is_file())
    except (OSError, subprocess.CalledProcessError):
        return tuple(
            file.relative_to(ROOT).as_posix()
            for folder in ("dismo_core", "nodes", "docs", "web", "benchmarks", "tests", "locales")
            for file in (ROOT / folder).rglob("*")
            if file.is_file() and "__pycache__" not in file.parts
        ) + ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")


@cache
def _tree(name: str) -> ast.Module:
    return ast.parse((ROOT / name).read_text("utf-8"))


def _files(*endings: str) -> list[str]:
    return [name for name in _tracked() if name.endswith(endings) and "/goldens/" not in name]


@cache
def _prose(name: str) -> tuple[tuple[int, str], ...]:
    """(line, text) of what people read in a file: all of a document; docstrings, comments and messages of Python."""
    text = (ROOT / name).read_text("utf-8")
    if not name.endswith(".py"):
        return tuple(enumerate(text.splitlines(), 1))
    found = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            found.append((token.start[0], token.string))
    for node in ast.walk(_tree(name)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found += [(node.lineno + i, line) for i, line in enumerate(node.value.splitlines())]
    return tuple(sorted(found))


# --- cited files ---

CITED = re.compile(
    r"(?<![\w/.*{-])(?:(?:docs|benchmarks|web/docs|tests|workflows|nodes|dismo_core|locales|\.ci|\.github)/[\w./*-]*[\w*]"
    r"|(?:README|CHANGELOG|CONTRIBUTING|SECURITY)\.md)"
)
LINK = re.compile(r"\]\(([^)\s]+)\)")
# What a run makes, or what stands for any name.
MADE = re.compile(r"<[^>]+>|benchmarks/out\b")


def _exists(path: str) -> bool:
    if "*" in path:
        return any(ROOT.glob(path))
    return any((ROOT / (path + ending)).exists() for ending in ("", ".py", ".md", ".json"))


@pytest.mark.parametrize("name", [name for name in _files(".py", ".md") if not name.startswith("tests/hostile/")])
def test_no_file_cites_another_that_is_not_there(name):
    missing = []
    for number, line in _prose(name):
        if name.endswith(".py") and not re.search(r"\.md|\.py|docs/|`", line):
            continue  # strings that are data: paths which a test makes up
        for match in CITED.finditer(re.sub(r"\w+://\S+", "", line)):
            after = line[match.end() : match.end() + 2]
            if not _exists(match[0].rstrip("/")) and not after.startswith(("<", "{", "/<")) and not MADE.search(line):
                missing.append(f"{name}:{number}: {match[0]}")
        if name.endswith(".md"):
            for target in LINK.findall(line):
                file = target.split("#")[0]
                if file and ":" not in file and not (ROOT / name).parent.joinpath(file).exists():
                    missing.append(f"{name}:{number}: link {target}")
    assert not missing, "\n".join(missing)


SECTION = re.compile(r"docs/methods/(\w+)\.md, ((?:\d+(?:\.\d+)?(?:, | and | to )?)+)")


@cache
def _sections(method: str) -> frozenset[str]:
    text = (ROOT / f"docs/methods/{method}.md").read_text("utf-8")
    return frozenset(re.findall(r"^#{2,3} (\d+(?:\.\d+)?)\.? ", text, re.M))


def test_every_cited_section_is_there():
    missing, seen = [], 0
    for name in _files(".py", ".md"):
        for number, line in _prose(name):
            for method, numbers in SECTION.findall(line):
                seen += 1
                absent = set(re.findall(r"\d+(?:\.\d+)?", numbers)) - _sections(method)
                missing += [f"{name}:{number}: docs/methods/{method}.md, {section}" for section in sorted(absent)]
    assert seen > 30 and not missing, "\n".join(missing)


@pytest.mark.parametrize("page", sorted((ROOT / "docs/methods").glob("*.md")), ids=lambda page: page.stem)
def test_a_method_page_begins_with_paper_licences_and_citation(page):
    head = page.read_text("utf-8").split("\n## ")[0]
    for part in ("**Paper.**", "**Licences.**", "**How to cite.**"):
        assert part in head, f"{page.name}: {part}"


# --- the drawing ---


def test_the_drawn_layers_are_those_of_the_imports():
    """The table of docs/architecture.md stands from the top down, the rows of the test from the ground up."""
    text = (ROOT / "docs/architecture.md").read_text("utf-8").split("## Layers")[1].split("\n## ")[0]
    rows = re.findall(r"^\| [\w ]+ \| ((?:`\w+`(?:, )?)+) \|", text, re.M)
    assert [tuple(re.findall(r"`(\w+)`", row)) for row in rows] == list(reversed(ROWS))


# --- docstrings ---

PARAMETER = re.compile(r"(?:^|(?<=[.;)] ))\*{0,2}[a-z]\w*(?:, \*{0,2}[a-z]\w*)*: ")


def _parameters(node: ast.AST) -> set[str]:
    """Names that the docstring of a function, or of a class with its fields, can explain."""
    names = set()
    for part in (node, *getattr(node, "body", ())):
        if isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef)) and (part is node or part.name == "__init__"):
            given = part.args
            names |= {argument.arg for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs)}
        elif isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
            names.add(part.target.id)
    return names


@pytest.mark.parametrize(
    "name",
    [name for name in _files(".py") if name.startswith(("dismo_core/", "nodes/"))],
)
def test_one_parameter_a_line(name):
    crowded = []
    for node in ast.walk(_tree(name)):
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        block = re.search(r"^Args:\n((?:    .*\n?)+)", ast.get_docstring(node) or "", re.M)
        known = _parameters(node)
        for line in block[1].splitlines() if block else ():
            names = [part for match in PARAMETER.findall(line.strip()) for part in re.findall(r"\w+", match)]
            if len([part for part in names if part in known]) > 1:
                crowded.append(f"{name}: {node.name}: {line.strip()}")
    assert not crowded, "\n".join(crowded)


# --- plain words ---

# Words that this project once used in a sense of its own, as patterns that leave the ordinary uses alone, and what to say.
WORDS = {
    r"\bhops?\b": "stride",
    r"\bworn\b|\bwears? (?:out|alike|down)\b": "degraded",
    r"\b0\.\d+ of (?:the|its|their) way\b": "covered N % of the true displacement",
    r"\bgone on with\b|\bmade anew\b|\bowed anew\b|\banew\b": "resumed, rebuilt, to be rerun, again",
    r"\bdoubts?\b": "quality warning",
    r"\bfrugal": "low memory",
    r"(?<!memory-)(?<!tone-)(?<!are )\bmapped\b(?! to\b)": "memory-mapped",
    r"\b(?:of|free of|the|eight|seven|two|other|same|their) looks\b": "appearance, appearances",
    r"\b(?:third|quarter|half|fifth|share) of (?:the|its) moves\b|\bwarm-up's moves\b": "trajectories",
    r"\b(?:other|drawn|many|how|more) things\b|\bthings (?:move|look|go)\b": "objects",
    r"\bfilms?\b|\bfilmed\b": "video",
    r"\bcarr(?:y|ied) over to\b": "remap",
    r"[Cc]olour": "color",
}
# Names that stay: inputs and options which workflows and scripts hold, also as parameters in code and docstring.
FIXED = re.compile(
    r"match_colours?|match-colours?|transfer_colours|`hop=`|^\s*colours?(?=: )|^colours?$|\*\*colours\*\*|\"colours\""
)
# Words of names, which are split at underscores and capitals.
NAMES = {"hop", "hops", "worn", "anew", "doubt", "doubts", "frugal", "film", "films", "colour", "colours", "mapped"}
# Whole names of functions, classes and files: ordinary words elsewhere, too vague there.
DEFINED = {"carry", "tell", "doubt", "attached", "shown", "looks", "moves", "things"}


def _read_by_people() -> list[str]:
    return [
        name
        for name in _files(".py", ".md", ".json")
        if (name.endswith((".py", ".md")) or name.startswith("locales/en/")) and name != "tests/test_documents.py"
    ]


@pytest.mark.parametrize("name", _read_by_people())
def test_words_are_those_of_the_field(name):
    found = []
    for number, line in _prose(name):
        plain = FIXED.sub("", line)
        for pattern, instead in WORDS.items():
            if match := re.search(pattern, plain):
                found.append(f"{name}:{number}: {match[0]!r} (say: {instead})")
    assert not found, "\n".join(found)


@pytest.mark.parametrize("name", [name for name in _read_by_people() if name.endswith(".py")])
def test_names_are_those_of_the_field(name):
    found = [f"{name}: the file's name"] if Path(name).stem in DEFINED | NAMES else []
    for node in ast.walk(_tree(name)):
        given = (
            node.name
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
            else node.arg
            if isinstance(node, (ast.arg, ast.keyword))
            else node.id
            if isinstance(node, ast.Name)
            else None
        )
        if not given or FIXED.search(given):
            continue
        parts = {part.lower() for part in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", given)}
        bad = parts & NAMES
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            bad |= {given.lower().strip("_")} & DEFINED
        if bad:
            found.append(f"{name}:{node.lineno}: {given} ({', '.join(sorted(bad))})")
    assert not found, "\n".join(found)


def test_the_patterns_leave_ordinary_uses_alone():
    ordinary = (
        "the picture looks like 0..1",
        "MemoryPlan alone moves its parts",
        "tells apart",
        "memory-mapped",
        "HDR curves are not tone-mapped",
        "for trying things out",
        "the socket carries one",
    )
    for line in ordinary:
        assert not any(re.search(pattern, line) for pattern in WORDS), line
