-- Chains of refresh tokens: refresh.lua BASIC FILE. The file starts them, each answer holds the next link.
local tokens = {}

function init(arguments)
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
  wrk.headers["Authorization"] = "Basic " .. arguments[1]
  for token in io.lines(arguments[2]) do tokens[#tokens + 1] = token end
end

function request()
  return wrk.format(nil, nil, nil, "grant_type=refresh_token&refresh_token=" .. (table.remove(tokens) or "none-is-left"))
end

function response(_, _, body)
  tokens[#tokens + 1] = body:match('"refresh_token":"([^"]+)"')
end
