"""Our HTTP/1.1 server.

listener  sockets              sockets, their connections, and the drain
connection  pipeline  cycle    a connection; its requests in order; one request and its response
fast_connection                a connection with a fast path in front of its parser
framing                        how a request's head and body are read
asgi                           a request served by an ASGI application
"""
