"""What operators see: health, metrics, the failure log, invalidation, a page for humans.

app  status_page  readiness    the Litestar application, the page, what readiness says
admin  workers                 the gateway as operators see it: one process; several
control                        how the processes of one gateway talk
"""
