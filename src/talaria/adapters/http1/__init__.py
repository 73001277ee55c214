"""Our HTTP/1.1 client: what forwarding stands on. `connection.py` opens with the law that the rest obeys.

- `origin.py`: one url as the domain's `Upstream`; `transport.py`: the same pools for `httpx.AsyncClient`
- `pool.py`: connections kept, limited, waited for; `dial.py`: name, addresses, socket, TLS
- `connection.py`: one connection, request out, answer in; `patience.py`: its clock
- outwards: `request.py` (the head), `upload.py` (the body), `outbox.py`, `gate.py` (when to write), `last_words.py`
- inwards: `head.py` (strictly), `framing.py` and `chunks.py` (where the body ends), `body.py` (its stream)
"""
