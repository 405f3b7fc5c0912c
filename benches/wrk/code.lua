-- Redeems each code of a file once: code.lua BASIC FILE. When all are spent, the server's refusals end the run.
local codes, next_code = {}, 0

function init(arguments)
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
  wrk.headers["Authorization"] = "Basic " .. arguments[1]
  for code in io.lines(arguments[2]) do codes[#codes + 1] = code end
end

function request()
  next_code = next_code + 1
  return wrk.format(nil, nil, nil, "grant_type=authorization_code&redirect_uri=http%3A%2F%2Flocalhost%3A9%2Fcallback"
    .. "&code_verifier=dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk&code=" .. (codes[next_code] or "none-is-left"))
end
