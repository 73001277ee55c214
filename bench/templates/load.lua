-- What wrk sends. Arguments name=value after "--":
--   tokens=FILE   one token in each line, taken in turn        once=1   each token once, then stop
--   tags=N        x-api-tag wind, wind1, wind2, ... in turn    headers=N  so many further header lines
--   body=N        POST with so many bytes                      tag=NAME   this x-api-tag for all
--   new=N         so many further header lines that differ from one request to the next
local options = { tokens = nil, once = nil, tags = "1", headers = "0", body = nil, tag = nil, new = "0" }
local ready, lines, over, count, turn, number, first = {}, nil, false, 0, 0, 0, true

local function headers_of(token, index)
    local headers = { ["Host"] = wrk.headers["Host"], ["Accept"] = "*/*", ["User-Agent"] = "bench" }
    local tag = index % tonumber(options.tags)
    headers["x-api-tag"] = options.tag or (tag == 0 and "wind" or ("wind" .. tag))
    if token then headers["Authorization"] = "Bearer " .. token end
    for n = 1, tonumber(options.headers) do headers["x-bench-" .. n] = "value of header " .. n end
    for n = 1, tonumber(options.new) do headers["x-bench-new-" .. n] = n .. "-NUMBER" end
    return headers
end

local function make(token, index)
    local body = options.body and string.rep("x", tonumber(options.body)) or nil
    return wrk.format(body and "POST" or "GET", nil, headers_of(token, index), body)
end

function init(args)
    for _, argument in ipairs(args) do
        local name, value = argument:match("^(%w+)=(.*)$")
        if name then options[name] = value end
    end
    if not options.tokens then
        for index = 0, tonumber(options.tags) - 1 do ready[index + 1] = make(nil, index) end
    elseif options.once then
        lines = io.lines(options.tokens)
    else
        local index = 0
        for token in io.lines(options.tokens) do
            ready[index + 1] = make(token, index)
            index = index + 1
        end
    end
    count = #ready
end

local function next_of_file()
    local token = not over and lines()
    if token then
        turn = turn + 1
        ready[1] = make(token, turn)
    else
        over = true
        wrk.thread:stop()
    end
    return ready[1]
end

function request()
    if lines then
        -- wrk calls this once before it connects: that call must not use a token up.
        if first then
            first = false
            return make("none", 0)
        end
        return next_of_file()
    end
    turn = turn % count + 1
    if options.new == "0" then return ready[turn] end
    number = number + 1
    return (ready[turn]:gsub("NUMBER", number))
end

function done(summary, latency, requests)
    local errors = summary.errors
    io.write(string.format(
        'BENCH {"requests":%d,"seconds":%.6f,"bytes":%d,"p50":%.1f,"p99":%.1f,"refused":%d,"broken":%d}\n',
        summary.requests, summary.duration / 1e6, summary.bytes, latency:percentile(50), latency:percentile(99),
        errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
