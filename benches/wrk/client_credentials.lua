-- Asks for a token by the client credentials grant, secret by Basic.
wrk.method = "POST"
wrk.path = "/token"
wrk.body = "grant_type=client_credentials"
wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
wrk.headers["Authorization"] = "Basic YmVuY2g6YS1zZWNyZXQtdGhhdC1vbmx5LXRoZS1iZW5jaG1hcmstdXNlcy0wMTIzNDU2Nzg5"
