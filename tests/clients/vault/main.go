// The auth method jwt/oidc of Vault and OpenBao, without the rest of them: it reads requests from standard input,
// one JSON object a line ({"operation", "path", "data"}), and answers each with one.
package main

import (
	"context"
	"encoding/json"
	"os"
	"time"

	"github.com/hashicorp/go-hclog"
	jwtauth "github.com/hashicorp/vault-plugin-auth-jwt"
	"github.com/hashicorp/vault/sdk/logical"
)

type request struct {
	Operation logical.Operation `json:"operation"`
	Path      string            `json:"path"`
	Data      map[string]any    `json:"data"`
}

type answer struct {
	Response *logical.Response `json:"response"`
	Error    string            `json:"error,omitempty"`
}

func main() {
	ctx := context.Background()
	storage := &logical.InmemStorage{}
	method, err := jwtauth.Factory(ctx, &logical.BackendConfig{
		Logger:      hclog.New(&hclog.LoggerOptions{Output: os.Stderr}),
		StorageView: storage,
		System:      logical.StaticSystemView{DefaultLeaseTTLVal: time.Hour, MaxLeaseTTLVal: time.Hour},
	})
	if err != nil {
		panic(err)
	}
	requests, answers := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var asked request
		if err := requests.Decode(&asked); err != nil {
			return
		}
		response, err := method.HandleRequest(ctx, &logical.Request{
			Operation:  asked.Operation,
			Path:       asked.Path,
			Data:       asked.Data,
			Storage:    storage,
			Connection: &logical.Connection{},
		})
		told := answer{Response: response}
		if err != nil {
			told.Error = err.Error()
		}
		if err := answers.Encode(told); err != nil {
			return
		}
	}
}
