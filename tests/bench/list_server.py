#!/usr/bin/python3
"""list_server.py PORT SERVICES: what a speaker with many Services reads from the API.

No API server: it knows the objects of many_bench.py and takes the speaker's reports,
nothing else. It lists in pages, objects with all that a real server adds to them
(managedFields, owners, uids), and a watch tells of the reports that have been written, as
it is with a real one: what the speaker keeps, and what passes through its memory, is the
same. A real server in the virtual machine would take an hour to be filled.
"""
import http.server
import itertools
import json
import os
import sys
import threading
import urllib.parse
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lab"))
import api
import many_bench

TIME = "2026-11-21T10:00:00Z"
KINDS = {plural: kind for kind, plural in api.PLURALS.items()}
VERSION = 100000                # of all lists; reports are newer


def fields_of(value):
    """As managedFields have it: the names of all fields that are set."""
    if isinstance(value, dict):
        return {f"f:{k}": fields_of(v) for k, v in value.items()}
    return {}


def as_stored(obj, version):
    """obj as an API server lists it."""
    meta = obj["metadata"]
    meta |= {"uid": str(uuid.UUID(int=version)), "resourceVersion": str(version),
             "creationTimestamp": TIME,
             "managedFields": [{
                 "manager": manager, "operation": "Update", "time": TIME,
                 "apiVersion": obj["apiVersion"], "fieldsType": "FieldsV1",
                 "fieldsV1": {f"f:{part}": fields_of(obj.get(part, {}))}}
                 for manager, part in (("kubectl", "spec"), ("manager", "status"))]}
    return obj


def slice_of(i):
    obj = many_bench.slice_of(i, many_bench.NENDPOINTS)
    owner = str(uuid.UUID(int=1 + i))
    obj["metadata"] |= {
        "generateName": many_bench.name_of(i) + "-",
        "annotations": {"endpoints.kubernetes.io/last-change-trigger-time": TIME},
        "ownerReferences": [{"apiVersion": "v1", "kind": "Service", "uid": owner,
                             "name": many_bench.name_of(i), "controller": True,
                             "blockOwnerDeletion": True}]}
    for k, endpoint in enumerate(obj["endpoints"]):
        endpoint["targetRef"] = {"kind": "Pod", "namespace": "default", "uid": owner,
                                 "name": f"{many_bench.name_of(i)}-7d9c5b6f4-{k}abcd"}
    return obj


class Objects:
    """All there is, as JSON, by the plural of its kind; and what watches are told."""

    def __init__(self, nservices):
        self.lists = {
            plural: [json.dumps(as_stored(o, 1 + i)) for i, o in enumerate(objs)]
            for plural, objs in itertools.chain(
                ((api.PLURALS[o["kind"]], [o]) for o in many_bench.other_objects()),
                [("services", map(many_bench.service_of, range(nservices))),
                 ("endpointslices", map(slice_of, range(nservices)))])}
        self.reports = {}       # by name, of all kinds
        self.events = {}        # by plural: lines of a watch
        self.version = VERSION
        self.news = threading.Condition()

    def write(self, plural, name, change):
        """Create or patch a report; returns it as stored."""
        with self.news:
            kind = "MODIFIED" if name in self.reports else "ADDED"
            obj = self.reports.setdefault(name, {"metadata": {}})
            for key, value in change.items():
                obj[key] = obj["metadata"] | value if key == "metadata" else value
            self.version += 1
            as_stored(obj, self.version)
            self.events.setdefault(plural, []).append(
                json.dumps({"type": kind, "object": obj}).encode() + b"\n")
            self.news.notify_all()
            return obj


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    all = None

    def log_message(self, *args):
        pass

    def answer(self, text, code=200):
        body = text.encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def list(self, path, query):
        items, at = self.all.lists.get(path[-1], []), int(query.get("continue", 0))
        end = at + int(query.get("limit", len(items)))
        meta = {"resourceVersion": str(VERSION)}
        if end < len(items):
            meta["continue"] = str(end)
        version = path[2] if path[1] == "api" else "/".join(path[2:4])
        self.answer('{"kind":"%sList","apiVersion":"%s","metadata":%s,"items":[%s]}' % (
            KINDS[path[-1]], version, json.dumps(meta), ",".join(items[at:end])))

    def watch(self, plural):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        told = 0
        while True:
            with self.all.news:
                while told == len(self.all.events.get(plural, [])):
                    self.all.news.wait()
                line = self.all.events[plural][told]
            told += 1
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))

    def do_GET(self):
        url = urllib.parse.urlparse(self.path)
        path, query = url.path.split("/"), dict(urllib.parse.parse_qsl(url.query))
        if "watch" in query:
            self.watch(path[-1])
        else:
            self.list(path, query)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        obj, parts = json.loads(body), self.path.partition("?")[0].split("/")
        at = parts.index("namespaces") + 2
        name = parts[at + 1] if self.command == "PATCH" else obj["metadata"].get("name")
        self.answer(json.dumps(self.all.write(parts[at], name, obj)),
                    200 if self.command == "PATCH" else 201)

    do_PATCH = do_POST


def main(port, nservices):
    Handler.all = Objects(int(nservices))
    http.server.ThreadingHTTPServer.daemon_threads = True
    http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), Handler).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
