package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
)

// cmdReceiver starts a receiver of signed webhooks, sets $RECEIVER to its URL
// and writes each event that it takes into a file, one per line. It refuses
// what is not signed with the secret, a batch that holds one of the texts given
// further, and everything while the file "away" exists.
func cmdReceiver(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: receiver FILE SECRET [TEXT…]")
	}
	file, away, secret := ts.MkAbs(args[0]), ts.MkAbs("away"), args[1]
	ts.Check(os.WriteFile(file, nil, 0o600))
	var mu sync.Mutex
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		body, err := io.ReadAll(r.Body)
		if _, aerr := os.Stat(away); err != nil || aerr == nil {
			rw.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(r.Header.Get("X-Portcullis-Timestamp") + "." + string(body)))
		if r.Header.Get("X-Portcullis-Signature") != "sha256="+hex.EncodeToString(mac.Sum(nil)) {
			rw.WriteHeader(http.StatusUnauthorized)
			return
		}
		for _, text := range args[2:] {
			if strings.Contains(string(body), text) {
				http.Error(rw, "not "+text, http.StatusBadRequest)
				return
			}
		}
		var events []json.RawMessage
		if json.Unmarshal(body, &events) != nil {
			rw.WriteHeader(http.StatusBadRequest)
			return
		}
		f, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			rw.WriteHeader(http.StatusInternalServerError)
			return
		}
		for _, e := range events {
			fmt.Fprintf(f, "%s\n", e)
		}
		if f.Close() != nil {
			rw.WriteHeader(http.StatusInternalServerError)
		}
	}))
	ts.Defer(s.Close)
	ts.Setenv("RECEIVER", s.URL+"/hook")
}
