"""Finds the functions of a C++ file and how many lines each takes.

A heuristic, good enough for this project's style: it knows comments, literals and preprocessor
lines, and takes for a function what has a parameter list and braces at the level of a file,
namespace or class. Lambdas and local classes count as part of the function around them.
"""

import re
from typing import NamedTuple

_TOKEN = re.compile(
    r"""
      //[^\n]*
    | /\*.*?\*/
    | R"(?P<delimiter>[^\s()\\]{0,16})\(.*?\)(?P=delimiter)"
    | "(?:\\.|[^"\\\n])*"
    | (?<![0-9A-Fa-f])'(?:\\.|[^'\\\n])+'
    | ^[ \t]*\#(?:\\\n|[^\n])*
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
# What may stand between a parameter list and the body.
_QUALIFIERS = ("const", "noexcept", "override", "final", "mutable", "try")
_SCOPE = re.compile(r"^(?:inline\s+)?(?:namespace|extern\s*\"?)\b")
_TYPE = re.compile(
    r"^(?:template\s*<.*>\s*)?(?:typedef\s+)?(?:class|struct|union|enum)\b", re.DOTALL
)


class Function(NamedTuple):
    name: str
    first_line: int
    lines: int  # from the first line of the signature to the closing brace


def blank(text: str) -> str:
    """The text with comments, literals and preprocessor lines as blanks; lines stay lines."""
    return _TOKEN.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


def _closing_brace(code: str, opening: int) -> int:
    depth = 0
    for i in range(opening, len(code)):
        depth += (code[i] == "{") - (code[i] == "}")
        if depth == 0:
            return i
    return len(code) - 1


def _without_groups(head: str) -> str:
    """The head of a declaration without what stands in parentheses."""
    result, depth = [], 0
    for char in head:
        depth -= char == ")"
        if depth == 0:
            result.append(char)
        depth += char == "("
    return "".join(result)


def _kind(head: str) -> str:
    """What a brace after `head` opens: scope, function or initializer."""
    head = re.sub(r"^(?:\s*(?:public|protected|private)\s*:)+", "", head).strip()
    if head.count("(") > head.count(")"):
        return "initializer"  # of a default argument
    ends_as_function = re.search(r"\)\s*(?:(?:%s)\s*)*$" % "|".join(_QUALIFIERS), head)
    if _SCOPE.match(head) or _TYPE.match(head) and not ends_as_function:
        return "scope"
    outer = _without_groups(head)
    is_operator = "operator" in outer
    if "(" not in outer or ("=" in outer and not is_operator):
        return "initializer"
    last = re.search(r"([A-Za-z_]\w*)$", outer)
    has_member_list = re.search(r"\)[^:]*(?<!:):(?!:)", outer) is not None
    if has_member_list and last and last.group(1) not in _QUALIFIERS:
        return "initializer"  # of a member, before a constructor's body
    return "function"


def _name(head: str) -> str:
    match = re.search(r"(operator\W{1,3}|[~\w:]+)\s*\($", _without_groups(head).split(")")[0])
    return match.group(1).strip() if match else "?"


def find_functions(text: str) -> list[Function]:
    code = blank(text)
    functions = []
    start = position = 0  # of the declaration that is being read
    while position < len(code):
        char = code[position]
        if char in ";}":
            start = position + 1
        elif char == "{":
            head = code[start:position]
            kind = _kind(head)
            if kind == "scope":
                start = position + 1
            else:
                end = _closing_brace(code, position)
                if kind == "function":
                    begin = start + len(head) - len(head.lstrip())
                    first_line = code.count("\n", 0, begin) + 1
                    last_line = code.count("\n", 0, end) + 1
                    functions.append(Function(_name(head), first_line, last_line - first_line + 1))
                    start = end + 1
                else:
                    # The rest of the declaration follows; its braces say nothing any more.
                    blanks = re.sub(r"[^\n]", " ", code[position : end + 1])
                    code = code[:position] + blanks + code[end + 1 :]
                position = end
        position += 1
    return functions
