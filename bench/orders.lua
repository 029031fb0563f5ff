-- For wrk: POSTs the requests of a file in turn. A line is PATH, API KEY and BODY, separated by blanks.
-- Ends with one JSON line. Known limit: answers are counted by their status alone.
local requests, nth = {}, 0

function init(arguments)
  for line in io.lines(arguments[1]) do
    local path, key, body = line:match("^(%S+) (%S+) (%S+)$")
    local headers = { ["X-MBX-APIKEY"] = key, ["Content-Type"] = "application/x-www-form-urlencoded" }
    requests[#requests + 1] = wrk.format("POST", path, headers, body)
  end
end

function request()
  nth = nth % #requests + 1
  return requests[nth]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"seconds":%.3f,"p50_us":%d,"p99_us":%d,"refused":%d,"broken":%d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
