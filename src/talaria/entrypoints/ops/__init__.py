"""What operators see: health, metrics, the failure log, invalidation, a page for humans.

app  status_page  readiness    the Litestar application, the page, what readiness says
admin                          one process or all workers behind one interface
"""
