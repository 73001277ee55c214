-- Asks Talaria's decision API for HAProxy (2.5 or newer: core.httpclient). Every answer but a 200 goes to the client as
-- it is. `setenv` in the configuration says where to ask, how long each time, and the names of the headers that hold a
-- partner's user id.

local URL = os.getenv("TALARIA_DECISIONS") .. "/decide"
local TIMEOUT = tonumber(os.getenv("TALARIA_DECISION_MILLISECONDS"))
local SET = { "authorization", "x-api-key", "x-api-tag", "x-request-id", "x-talaria-identity", "forwarded",
              "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host" }
for name in os.getenv("TALARIA_USER_ID_HEADERS"):gmatch("%S+") do SET[#SET + 1] = name end
local NOT_ASKED = { ["connection"] = true, ["keep-alive"] = true, ["te"] = true, ["trailer"] = true, ["upgrade"] = true,
                    ["transfer-encoding"] = true, ["content-length"] = true, ["expect"] = true,
                    ["proxy-connection"] = true, ["x-forwarded-method"] = true, ["x-forwarded-uri"] = true }

local function refuse(txn, status, headers, body)
    local reply = txn:reply({ status = status, body = body })
    for name, value in pairs(headers) do reply:add_header(name, value) end
    txn:done(reply)
end

local function question(txn)
    local headers = {}
    for name, values in pairs(txn.http:req_get_headers()) do
        if not NOT_ASKED[name] then
            headers[name] = {}
            for i = 0, #values do if values[i] then headers[name][#headers[name] + 1] = values[i] end end
        end
    end
    local hops = headers["x-forwarded-for"] or {}
    hops[#hops + 1] = txn.sf:src()
    headers["x-forwarded-for"] = { table.concat(hops, ", ") }
    headers["x-forwarded-method"] = { txn.sf:method() }
    headers["x-forwarded-uri"] = { txn.sf:pathq() }
    return headers
end

local function pass(txn, headers)
    for name in ((headers["x-talaria-remove"] or {})[0] or ""):gmatch("[^, ]+") do txn.http:req_del_header(name) end
    for _, name in ipairs(SET) do
        txn.http:req_del_header(name)
        local values = headers[name]
        if values then txn.http:req_set_header(name, values[0]) end
    end
end

core.register_action("talaria_decide", { "http-req" }, function(txn)
    local answer = core.httpclient():get({ url = URL, headers = question(txn), timeout = TIMEOUT })
    local status = answer and answer.status or 0
    if status == 200 then
        pass(txn, answer.headers)
    elseif status >= 400 and answer.headers["x-talaria-reason"] then
        local headers = {}
        for name, values in pairs(answer.headers) do
            if not NOT_ASKED[name] then headers[name] = values[0] end
        end
        refuse(txn, status, headers, answer.body or "")
    else
        refuse(txn, 503, { ["content-type"] = "application/problem+json", ["cache-control"] = "no-store" },
               '{"type":"urn:talaria:problem:decision-failed","title":"No decision","status":503,"detail":"Whether the ' ..
               'request may go on could not be found out; try again.","reason":"decision-failed","request_id":""}')
    end
end, 0)
