-- One protected resource, again and again: get.lua TOKEN.
function init(arguments)
  wrk.headers["Authorization"] = "Bearer " .. arguments[1]
end
