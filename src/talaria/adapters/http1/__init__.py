"""Our HTTP/1.1 client: what forwarding stands on. `connection.py` opens with the state machine that the rest obeys.

- `upstream.py`: one url; `transport.py`: the same as a transport of httpx; `errors.py`: what either raises
- `pool.py`: connections kept, limited, waited for
- `connect.py`: name, addresses, socket, TLS; with `resolver.py` and `tunnel.py` (CONNECT)
- `connection.py`: one connection, request out, response in; `timer.py`: its clock
- outwards: `request_body.py`, `write_batcher.py` (when to write)
- inwards: `response_head.py` (strictly), `body_framing.py` (where the body ends), `response_body.py` (its stream);
  `plain_responses.py` (whole and plain ones, for the fast path)
"""
