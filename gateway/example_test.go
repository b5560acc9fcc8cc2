package gateway_test

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/gateway"
)

// An http.Handler of the same process stands behind the guards like any other
// server: it learns who calls, and never gets to see the credential.
func ExampleHandler() {
	up := gateway.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who := gateway.PrincipalFrom(r.Context())
		fmt.Fprintf(w, "%s asks for %s, key %q", who.ID, r.URL.Path, r.Header.Get("X-API-Key"))
	}))
	in, err := http.NewRequest(http.MethodGet, "http://localhost/report", nil)
	if err != nil {
		panic(err)
	}
	in.Header.Set("X-API-Key", "never passed on")
	reply, err := up.Forward(context.Background(), &portcullis.Call{
		Conn:      &portcullis.Conn{HTTP: in},
		Principal: portcullis.Principal{ID: "ann"},
		Message:   &portcullis.Message{Shape: portcullis.ShapeRequest},
	})
	if err != nil {
		panic(err)
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(reply.Body)
	if err != nil {
		panic(err)
	}
	fmt.Println(reply.Status, string(body))
	// Output: 200 ann asks for /report, key ""
}
