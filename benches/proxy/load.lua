-- What wrk sends: -- <method> <target> <texts> <name> <limit> <rerank> [<encoding>]
-- `texts` is how many different queries are searched for in turn; 0 makes every request's query another one.
-- `rerank` is "on", or "off" to have the search passed on as it is. With `encoding` it is an embedding call instead, each
-- with another text, as OpenAI's SDKs make it.
-- At the end one line of JSON tells what wrk has seen.

local threads = 0

wrk.headers["user-agent"] = "bench/1"
wrk.headers["accept"] = "*/*"
wrk.headers["accept-encoding"] = "gzip, deflate"

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

local function vector()
  local numbers = {}
  for n = 1, 384 do numbers[n] = string.format("%.7f", math.sin(n)) end
  return table.concat(numbers, ",")
end

function init(args)
  local method, target = args[1], args[2]
  texts, name = tonumber(args[3] or "0"), args[4] or "q"
  sent = 0
  if method == "GET" then
    ready = { [0] = wrk.format("GET", target) }
    texts = 1
    return
  end
  if args[7] then
    embedding(target, args[7])
    return
  end
  local body = string.format('{"query":[%s],"limit":%s,"with_payload":true}', vector(), args[5] or "50")
  local function search(text)
    local headers = { ["content-type"] = "application/json", ["x-rerank-query"] = text }
    if args[6] == "off" then headers["x-rerank"] = "off" end
    return wrk.format("POST", target, headers, body)
  end
  if texts > 0 then
    ready = {}
    for n = 0, texts - 1 do ready[n] = search(name .. "%20" .. n) end
  else
    -- Formatted once and cut in two: building a request anew would cost the load more than the proxy.
    before, after = search("@@@@"):match("^(.*)@@@@(.*)$")
  end
end

-- The number of the text always has as many digits: so has the request's length.
function embedding(target, encoding)
  local headers = { ["content-type"] = "application/json", ["authorization"] = "Bearer key-of-the-application" }
  local body = string.format(
    '{"input":"what does question %s say @@@@@@@@","model":"text-embedding-3-small","encoding_format":"%s"}', name, encoding)
  before, after = wrk.format("POST", target, headers, body):match("^(.*)@@@@@@@@(.*)$")
  embeds = true
end

function request()
  sent = sent + 1
  if embeds then return before .. string.format("%08d", sent) .. after end
  if texts > 0 then return ready[sent % texts] end
  return before .. name .. "%20" .. number .. "%20" .. sent .. after
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests":%d,"seconds":%.6f,"bytes":%d,"errors":%d,"mean":%.1f,"p50":%d,"p99":%d}\n',
    summary.requests, summary.duration / 1e6, summary.bytes,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency.mean, latency:percentile(50), latency:percentile(99)))
end
