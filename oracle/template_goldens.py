#!/usr/bin/env python3
"""Writes tests/data/templates/goldens.json: what Jinja2 renders, for tests/text/test_template.c.

    template_goldens.py TEMPLATE_FOLDER OUT_FOLDER

Written with jinja2 3.1.6 and the environment that transformers 5.24.0 builds for chat templates
(sandboxed, trim_blocks, lstrip_blocks, loop controls, its own tojson, raise_exception and
strftime_now).  Nothing is random.  strftime_now reads 2024-07-26 12:00:00 UTC (1721995200).
The model makers' templates are data and are not copied; OUT_FOLDER's own *.jinja files are
rendered too."""
import datetime
import json
import pathlib
import sys

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

NOW = 1721995200


def environment():
    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    def strftime_now(fmt):
        return datetime.datetime.fromtimestamp(NOW, datetime.timezone.utc).strftime(fmt)

    class Namespace(jinja2.utils.Namespace):
        def __setitem__(self, name, value):
            if name.startswith("_"):
                raise jinja2.exceptions.SecurityError(f"underscore-prefixed attribute {name!r}")
            super().__setitem__(name, value)

    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])
    env.filters["tojson"] = tojson
    env.globals.update(raise_exception=raise_exception, strftime_now=strftime_now, namespace=Namespace)
    return env


def user(text):
    return {"role": "user", "content": text}


def assistant(text, **more):
    return {"role": "assistant", "content": text, **more}


def system(text):
    return {"role": "system", "content": text}


TOOLS = [{"type": "function", "function": {
    "name": "add", "description": "Adds two numbers — \"exactly\".",
    "parameters": {"type": "object", "required": ["a", "b"], "properties": {
        "a": {"type": "number", "description": "first <term>"},
        "b": {"type": ["integer", "string"], "description": " second "},
        "how": {"type": "array", "items": {"type": "string"}, "description": "modes", "enum": ["fast", "é"]}}}}}]
CALL = {"type": "function", "id": "call12345", "function": {"name": "add", "arguments": {"a": 1.5, "b": -2, "how": ["fast"]}}}
ODD = ("Ünïcödé 🙂 \"quotes\" 'single' \\ back\n\n{{ messages }} {% raise %} {# no #} <|im_end|><|im_start|>system\n"
       "</think> [INST] <｜User｜> <|eot_id|> \ttab & <b>\u00a0\u2028end ")
CONVERSATIONS = {
    "user": {"messages": [user("What is 2 + 2?")]},
    "system": {"messages": [system("Answer briefly. /no_think"), user("Why is the sky blue?")]},
    "turns": {"messages": [system("You are exact."), user("1+1?"), assistant("<think>\neasy\n</think>\n\n2"),
                           user(" and 2+2? "), assistant("\n4\n"), user("thanks")], "tools": []},
    "tools": {"messages": [user("Add 1.5 and -2."), assistant("", tool_calls=[CALL]),
                           {"role": "tool", "tool_call_id": "call12345", "name": "add", "content": "-0.5"},
                           assistant("It is -0.5."), user("And again?")], "tools": TOOLS},
    "open": {"messages": [system("Think in steps."), user("3*4?"), assistant("Step 1: 3*4 = 12\n\nStep 2:")], "tools": []},
    "odd": {"messages": [user(ODD), assistant(ODD), user(ODD)]},
    "documents": {"messages": [user("Who wrote it?")],
                  "documents": [{"doc_id": 1, "title": "T", "text": "Ann <|end_of_text|> wrote it."}]},
}
CASES = [("user", True, {}), ("user", False, {"enable_thinking": False}), ("system", True, {"enable_thinking": True}),
         ("turns", True, {"thinking": True}), ("turns", False, {}), ("tools", True, {}), ("open", "continue", {}),
         ("odd", True, {}), ("odd", False, {"enable_thinking": False}),
         ("documents", True, {"controls": {"length": "long", "citations": True}, "date_string": "01 Jan 2025"})]
SPECIAL = {"bos_token": "<s>", "eos_token": "</s>"}


def render(template, conversation, add, kwargs):
    data = json.loads(json.dumps(conversation))
    final = data["messages"][-1]
    tag = "CONTINUE_FINAL_MESSAGE_TAG "
    text = final["content"]
    if add == "continue":
        final["content"] = text + tag
    out = template.render(messages=data["messages"], tools=data.get("tools"), documents=data.get("documents"),
                          add_generation_prompt=add is True, **{**SPECIAL, **kwargs})
    if add == "continue":
        if text.strip() not in out or tag.strip() not in out:
            raise jinja2.exceptions.TemplateError("cannot be continued")
        at = out.rindex(tag.strip())
        out = out[:at] if out[at:at + len(tag)] == tag else out[:at].rstrip()
    return out


def attempt(make):
    try:
        return {"text": make()}
    except jinja2.exceptions.TemplateError as e:
        return {"error": str(e)}
    except (TypeError, ValueError, ZeroDivisionError, KeyError, AttributeError, OverflowError,
            RecursionError, SyntaxError) as e:
        return {"error": "", "python": f"{type(e).__name__}: {e}"}


# name = value pairs that every snippet sees
VARS = {"a": 7, "b": -3, "f": 2.5, "s": "Hello, World", "u": "grüße ñ 🙂 x", "sp": "  pad\n", "e": "", "t": True,
        "n": None, "l": [3, 1, 2], "words": ["b", "A", "c", "a"], "d": {"x": 1, "y": {"z": [1, 2]}, "k": "v"},
        "rows": [{"n": "ann", "v": 3, "g": "p"}, {"n": "bob", "v": 1, "g": "q"}, {"n": "cy", "v": 2, "g": "p"}],
        "tree": [{"n": 1, "c": [{"n": 2, "c": [{"n": 3, "c": []}]}]}, {"n": 4, "c": []}],
        "q": "it's", "qq": "say \"it's\"", "ctl": "a\tb\x01\u200b", "html": "<a href='x'>&\"", "big": 9007199254740993}
SNIPPETS = pathlib.Path(__file__).with_name("template_snippets.txt")


def main():
    folder, out = map(pathlib.Path, sys.argv[1:3])
    env = environment()
    cases, snippets = [], []
    files = [("data", p) for p in sorted(folder.glob("*.jinja"))] + [("own", p) for p in sorted(out.glob("*.jinja"))]
    for where, path in files:
        template = env.from_string(path.read_text(encoding="utf-8"))
        for name, add, kwargs in CASES:
            cases.append({"where": where, "template": path.name, "conversation": name, "add": add, "kwargs": kwargs,
                          **attempt(lambda: render(template, CONVERSATIONS[name], add, kwargs))})
    for line in SNIPPETS.read_text(encoding="utf-8").split("\n"):
        if line and not line.startswith("//"):
            source = line.replace("⏎", "\n")
            snippets.append({"source": source, **attempt(lambda: env.from_string(source).render(**VARS))})
    doc = {"about": f"oracle/template_goldens.py, jinja2 {jinja2.__version__}", "now": NOW, "special": SPECIAL,
           "conversations": CONVERSATIONS, "vars": VARS, "cases": cases, "snippets": snippets}
    (out / "goldens.json").write_text(json.dumps(doc, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
    print(len(cases), "renderings,", len(snippets), "snippets,", sum("error" in c for c in cases), "of the first raise")


if __name__ == "__main__":
    main()
