-- Sends the requests of a file over and over again, each connection from a place of its own.
-- A line is a request: method, path, If-None-Match and body, with tabs between them.
-- wrk -s requests.lua URL -- FILE TOKEN

local threads = 0

function setup(thread)
   thread:set("number", threads)
   threads = threads + 1
end

function init(args)
   wrk.headers["Authorization"] = "Bearer " .. args[2]
   wrk.headers["Content-Type"] = "application/json"
   wrk.headers["Host"] = "localhost"
   requests = {}
   for line in io.lines(args[1]) do
      local method, path, etag, body = line:match("^(.-)\t(.-)\t(.-)\t(.*)$")
      wrk.headers["If-None-Match"] = etag ~= "" and etag or nil
      requests[#requests + 1] = wrk.format(method, path, nil, body ~= "" and body or nil)
   end
   at = 0
end

function request()
   at = at % #requests + 1
   return requests[at]
end

function done(summary, latency)
   local errors = summary.errors
   io.write(string.format("measured %d %d %d %d\n",
      summary.requests, summary.duration, latency:percentile(50),
      errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
