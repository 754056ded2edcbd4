"""Compares answers with the shapes that pydo's documentation of each call gives.

pydo is generated from DigitalOcean's own description of its API. The text of
each of its methods has the answer's object, with a value of the right type in
each field, and a comment that tells whether the field is required and which
values it knows. That is what answers are held against here.
"""

import datetime
import re

TIME = "2020-02-20 00:00:00"


class Leaf:
    """A value that is neither object nor list."""

    def __init__(self, text, comment):
        self.text = text
        self.comment = comment
        known = re.search(r"Known values are: (.*?)\.(?: |$)", comment)
        self.known = re.findall(r'"([^"]+)"', known.group(1)) if known else []

    def faults(self, value, path):
        text = self.text
        if text == "{}":
            return
        if text.startswith('"'):
            kind, is_right = "string", isinstance(value, str)
            if is_right and text.strip('"') == TIME:
                try:
                    datetime.datetime.fromisoformat(value.replace("Z", "+00:00"))
                except ValueError:
                    yield f"{path}: {value!r} is no time"
        elif text in ("bool", "True", "False"):
            kind, is_right = "boolean", isinstance(value, bool)
        elif re.fullmatch(r"-?\d+", text):
            kind = "integer"
            is_right = isinstance(value, int) and not isinstance(value, bool)
        elif re.fullmatch(r"-?\d+\.\d+", text):
            kind = "number"
            is_right = isinstance(value, (int, float)) and not isinstance(value, bool)
        else:
            kind, is_right = text, True
        if not is_right:
            yield f"{path}: {value!r} is no {kind}"
        elif self.known and isinstance(value, str) and value not in self.known:
            yield f"{path}: {value!r} is none of {self.known}"


class List:
    """A list whose items have one shape."""

    def __init__(self, items):
        self.items = items

    def faults(self, value, path, **options):
        if not isinstance(value, list):
            yield f"{path}: {value!r} is no list"
            return
        for at, item in enumerate(value):
            for shape in self.items[:1]:
                yield from check(item, shape, f"{path}[{at}]", **options)


class Object:
    """An object, field by field."""

    def __init__(self):
        self.fields = {}
        self.required = set()

    def faults(self, value, path, **options):
        if not isinstance(value, dict):
            yield f"{path}: {value!r} is no object"
            return
        if set(self.fields) == {"str"}:
            return
        for name in sorted(self.required - value.keys()):
            yield f"{path}.{name} is missing"
        for name, field in value.items():
            below = f"{path}.{name}"
            if name in self.fields:
                yield from check(field, self.fields[name], below, **options)
            elif not re.sub(r"\[\d+\]", "", below).endswith(tuple(options["extra"])):
                yield f"{below} is not documented"


def check(value, shape, path, nullable=(), extra=()):
    """Yields what is wrong with a value.

    `nullable` names fields that may be null, `extra` the ends of paths to fields
    that may be there although they are not documented.
    """
    if value is None:
        if path.rpartition(".")[2] not in nullable:
            yield f"{path} is null"
    elif isinstance(shape, Leaf):
        yield from shape.faults(value, path)
    else:
        yield from shape.faults(value, path, nullable=nullable, extra=extra)


def shape_of(method, status):
    """Reads the shape of a method's answer of a status from its text."""
    text = method.__doc__
    blocks = re.findall(
        r"# response body for status code\(s\): ([\d, ]+)\n(\s*)response == \{\n(.*?)\n\2\}",
        text,
        re.DOTALL,
    )
    for statuses, margin, body in blocks:
        if str(status) in statuses:
            return _Reader(body, len(margin)).read_object()
    raise AssertionError(f"{method.__name__} documents no {status}")


class _Reader:
    """Reads the lines of one object, whose nesting is told by their indent."""

    def __init__(self, body, margin):
        self.lines = []
        for line in body.splitlines():
            indent = len(line) - len(line.lstrip())
            # The text of a comment goes on with an indent between two levels.
            if (indent - margin) % 4 and self.lines:
                self.lines[-1][1] += " " + line.strip()
                continue
            code, _, comment = line.strip().partition("  # ")
            self.lines.append([code, comment])
        self.lines.append(["}", ""])
        self.at = 0

    def read_object(self):
        shape = Object()
        while True:
            code, comment = self.next()
            if code.rstrip(",") == "}":
                return shape
            name, _, rest = code.partition(": ")
            name = name.strip('"')
            value, comment = self.read_value(rest, comment)
            shape.fields[name] = value
            if comment.rstrip().endswith("Required.") or " Required. " in comment:
                shape.required.add(name)

    def read_list(self):
        items, comments = [], []
        while True:
            code, comment = self.next()
            if code.rstrip(",") == "]":
                return List(items), " ".join(comments)
            value, comment = self.read_value(code, comment)
            items.append(value)
            comments.append(comment)

    def read_value(self, code, comment):
        code = code.rstrip(",")
        if code == "{":
            return self.read_object(), comment
        if code == "[":
            return self.read_list()
        return Leaf(code, comment), comment

    def next(self):
        line = self.lines[self.at]
        self.at += 1
        return line
