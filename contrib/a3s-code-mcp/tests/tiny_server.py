"""A tiny MCP server over stdio, with all the manners and bad manners that the tests need. Arguments switch them on."""

import json
import os
import subprocess
import sys
import threading
import time

FLAGS = set(sys.argv[1:])
PNG = "iVBORw0KGgpyZXN0"  # the first bytes of a PNG, then rubbish: enough to be known as one
lock = threading.Lock()
hurried = threading.Event()  # what "slow" waits for
cancelled = []


def tool(name, **more):
    schema = {"type": "object", "properties": {"text": {"type": "string"}}}
    return {"name": name, "description": f"does {name}", "inputSchema": schema, **more}


TOOLS = [
    tool("echo", annotations={"readOnlyHint": True, "openWorldHint": False}),
    *(tool(name) for name in ("slow", "never", "die", "image", "structured", "refuse", "env", "odd", "close", "long")),
    tool("hurry"),
    tool("cancelled"),
    tool("say.this"),
    tool("say this"),
    tool("x" * 80),
    tool("echo", description="a second echo"),
    {"description": "no name"},
    "no tool",
]


def send(message):
    with lock:
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        sys.stdout.flush()


def text(words):
    return {"content": [{"type": "text", "text": words}]}


def call(name, arguments):
    words = arguments.get("text", "")
    if name == "slow":
        hurried.wait()
    if name == "hurry":
        hurried.set()
    if name == "never":
        time.sleep(1000)
    if name == "die":
        sys.stderr.write("z" * 100_000 + "my last words\n")
        sys.stderr.flush()
        os._exit(3)
    if name == "close":
        os.close(1)
        time.sleep(1000)
    if name == "image":
        return {"content": [{"type": "image", "data": PNG, "mimeType": "image/png"}, *text("seen")["content"]]}
    if name == "structured":
        return {"content": [], "structuredContent": {"answer": 42}}
    if name == "refuse":
        return {**text("that went wrong"), "isError": True}
    if name == "env":
        return text(json.dumps(dict(os.environ)))
    if name == "cancelled":
        return text(json.dumps(cancelled))
    if name == "odd":
        return {"content": [{"type": "audio", "data": "AA=="}, {"type": "image", "data": "AAAA"}, "rubbish",
                            {"type": "resource", "resource": {"uri": "file:///a", "text": "inside"}},
                            {"type": "resource", "resource": {"uri": "file:///b", "blob": "AA=="}},
                            {"type": "resource_link", "uri": "file:///c"}]}  # fmt: skip
    if name == "long":
        return text("x" * 500_000)
    return text(f"{name}: {words}")


def answer(id, method, params):
    if method == "initialize":
        version = "1999-01-01" if "old" in FLAGS else params["protocolVersion"]
        capabilities = {} if "toolless" in FLAGS else {"tools": {"listChanged": True}}
        return {"result": {"protocolVersion": version, "capabilities": capabilities, "serverInfo": {"name": "tiny"}}}
    if method == "tools/list":
        if "endless" in FLAGS:
            return {"result": {"tools": [], "nextCursor": "again"}}
        start = int(params.get("cursor", 0))
        more = {"nextCursor": str(start + 2)} if start + 2 < len(TOOLS) else {}
        return {"result": {"tools": TOOLS[start : start + 2], **more}}
    if method == "tools/call":
        return {"result": call(params["name"], params["arguments"])}
    if method == "odd":
        return {"result": "not an object"}
    if method == "broken":
        return {"error": {"code": -32602, "message": "bad parameters"}}
    if method == "huge":
        return {"result": {"x": "y" * params["bytes"]}}
    if method == "unsafe":
        with lock:
            result = '{"a":"\\ud800","b":' + "9" * 30 + ',"c":1e999,"d":NaN}'
            sys.stdout.write(f'{{"jsonrpc":"2.0","id":{id},"result":{result}}}\n')
            sys.stdout.flush()
        return None
    return {"error": {"code": -32601, "message": f"no method {method}"}}


def serve(message):
    reply = answer(message["id"], message["method"], message.get("params", {}))
    if reply is not None:
        send({"id": message["id"], **reply})


def main():
    if "fail" in FLAGS:
        sys.exit("cannot find my files")
    if FLAGS & {"child", "escapee"}:
        child = subprocess.Popen(["sleep", "1000"], start_new_session="escapee" in FLAGS)
        send({"method": "child", "params": {"pid": child.pid}})
    if "noisy" in FLAGS:
        print("Starting up!\n{not json\n[1]\n" + "[" * 100_000, flush=True)
    if "asks" in FLAGS:
        send({"id": "p1", "method": "ping"})
        send({"id": "r1", "method": "roots/list"})
    for line in sys.stdin:
        message = json.loads(line)
        if "result" in message or "error" in message:
            send({"method": "you said", "params": message})
        elif message["method"] == "notifications/cancelled":
            cancelled.append(message["params"]["requestId"])
        elif "id" in message:
            threading.Thread(target=serve, args=(message,), daemon=True).start()
    if "stubborn" in FLAGS:
        import signal

        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(1000)


main()
