package app

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

// What a reload replaced is in use until the calls that began before are done,
// however many begin afterwards.
func TestGenerations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRunning()
		end := make(chan struct{})
		h := r.count(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-end }))
		call := func() { h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)) }
		go call()
		synctest.Wait()
		old := r.next()
		go call()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		old.Wait(ctx)
		if ctx.Err() == nil || old.calls.Load() != 1 {
			t.Fatalf("%d calls of the old generation", old.calls.Load())
		}
		end <- struct{}{} // one of the two ends, then the other
		end <- struct{}{}
		began := time.Now()
		old.Wait(t.Context())
		r.next().Wait(t.Context())
		if time.Since(began) > time.Second {
			t.Errorf("waited %s for nobody", time.Since(began))
		}
	})
}

// A call that panics, as one does whose stream broke, is not counted for ever.
func TestPanicLeavesItsGeneration(t *testing.T) {
	r := newRunning()
	func() {
		defer func() {
			if recover() != http.ErrAbortHandler {
				t.Error("the panic is swallowed")
			}
		}()
		r.count(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })).ServeHTTP(nil, nil)
	}()
	if n := r.next().calls.Load(); n != 0 {
		t.Errorf("%d calls", n)
	}
}

// A configuration that comes in at a stop opens nothing.
func TestNoConfigurationAfterStop(t *testing.T) {
	opts := rotationOptions(t, "")
	a, err := New(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := a.apply(t.Context(), opts.Config); !errors.Is(err, errStopped) {
		t.Errorf("got %v", err)
	}
}

// A start that fails leaves the data folder to the next.
func TestFailedStartCloses(t *testing.T) {
	opts := rotationOptions(t, "")
	opts.Config.Server.Listen = "192.0.2.1:1" // not an address of this machine
	a, err := New(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(t.Context()); err == nil {
		t.Fatal("started")
	}
	opts.Config.Server.Listen = "127.0.0.1:0"
	start(t, opts)
}
