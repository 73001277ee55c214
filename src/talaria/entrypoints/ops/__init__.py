"""What operators see: health, metrics, the failure log, invalidation, a page for humans.

serving  app  readiness        the listener, its Litestar application, what readiness says
page  figures  timeline        the pages for people: rates and times, and what is told of one failure
admin  workers                 the gateway as operators see it: one process; several
control                        how the processes of one gateway talk
"""
