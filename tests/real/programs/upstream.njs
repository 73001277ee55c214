// nginx as an upstream, by its JavaScript module. The routes are those of support_upstream_programs.py.
import crypto from "crypto";

function events(r) {
  const wanted = Number(r.uri.split("/")[2]);
  let number = 0;
  r.headersOut["content-type"] = "text/event-stream";
  r.status = 200;
  r.sendHeader();
  const send = () => {
    r.send(`data: ${++number}\n\n`);
    if (number < wanted) setTimeout(send, 200);
    else r.finish();
  };
  send();
}

function upload(r) {
  const body = r.requestBuffer || Buffer.alloc(0);
  r.headersOut["content-type"] = "application/json";
  const sha256 = crypto.createHash("sha256").update(body).digest("hex");
  r.return(200, JSON.stringify({ size: body.length, sha256 }));
}

export default { events, upload };
