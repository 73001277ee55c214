"""Callers' tokens, and our own.

jws  jwt_verifier         a compact JWS within limits; the claims of a caller's token
  jwks  jwk  key_files    the keys that verify it: a set behind a url, one key, a PEM file
service_tokens            the token that an upstream gets
  key_rotation            since when each signing key is published, and when an old one may go
"""
