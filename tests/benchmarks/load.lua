-- Load for wrk: goes round prepared bodies, puts a new id wherever they say "@id", and looks at every 50th answer.
-- With the method GET the file's lines are paths to go round.
-- wrk [options] -s load.lua URL -- METHOD BODIES_FILE EXPECTED v4|v7

local format, random = string.format, math.random
local threads, bodies, next_body, next_id, expected = {}, {}, 0, nil, ""

function setup(thread)
   table.insert(threads, thread)
end

function init(args)
   local source = io.open("/dev/urandom", "rb")
   local a, b, c, d = source:read(4):byte(1, 4)
   source:close()
   math.randomseed(((a * 256 + b) * 256 + c) * 256 + d)
   wrk.method, expected = args[1], args[3]
   for line in io.lines(args[2]) do
      table.insert(bodies, line)
   end
   next_body = random(1, #bodies + 1)
   next_id = args[4] == "v7" and uuid7 or uuid4
   answers, unexpected, sample = 0, 0, ""
   if expected ~= "" then
      response = look
   end
end

function uuid4()
   return format("%08x-%04x-4%03x-%x%03x-%04x%08x", random(0, 4294967295), random(0, 65535), random(0, 4095),
      random(8, 11), random(0, 4095), random(0, 65535), random(0, 4294967295))
end

local started, made = os.time() * 1000, 0

-- Lua's clock knows seconds only: four ids in a millisecond is what a busy scanner gateway makes.
function uuid7()
   made = made + 1
   local moment = started + math.floor(made / 4)
   return format("%08x-%04x-7%03x-%x%03x-%04x%08x", math.floor(moment / 65536), moment % 65536, random(0, 4095),
      random(8, 11), random(0, 4095), random(0, 65535), random(0, 4294967295))
end

function request()
   if #bodies == 0 then
      return wrk.format()
   end
   next_body = next_body % #bodies + 1
   if wrk.method == "GET" then
      return wrk.format(nil, bodies[next_body])
   end
   return wrk.format(nil, nil, nil, (bodies[next_body]:gsub("@id", next_id)))
end

function look(status, headers, body)
   answers = answers + 1
   if answers % 50 == 1 and not body:find(expected, 1, true) then
      unexpected = unexpected + 1
      sample = body:sub(1, 300)
   end
end

function done(summary, latency, requests)
   local wrong, shown = 0, ""
   for _, thread in ipairs(threads) do
      wrong = wrong + thread:get("unexpected")
      shown = thread:get("sample") ~= "" and thread:get("sample") or shown
   end
   local errors = summary.errors
   io.write(format('\nRESULT {"requests":%d,"seconds":%.6f,"p50_ms":%.3f,"p99_ms":%.3f,"max_ms":%.3f,'
      .. '"failures":%d,"refused":%d,"unexpected":%d}\n', summary.requests, summary.duration / 1e6,
      latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3,
      errors.connect + errors.read + errors.write + errors.timeout, errors.status, wrong))
   if shown ~= "" then
      io.write("SAMPLE ", shown, "\n")
   end
end
