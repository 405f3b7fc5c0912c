-- One form, again and again: post.lua BASIC BODY. BASIC is `id:secret` in base64, or `-` for none.
function init(arguments)
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
  if arguments[1] ~= "-" then wrk.headers["Authorization"] = "Basic " .. arguments[1] end
  wrk.body = arguments[2]
end
