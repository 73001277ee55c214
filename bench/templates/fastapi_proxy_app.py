"""fastapi-proxy-lib as its README shows it, for uvicorn. Runs in the benchmark's own venv."""

import os

from fastapi_proxy_lib.fastapi.app import reverse_http_app  # type: ignore[import-not-found]

app = reverse_http_app(base_url=os.environ["BENCH_ORIGIN"] + "/")
