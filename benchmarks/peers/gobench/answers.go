package gobench

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

const path = "/.well-known/acme-challenge/"

// Answers serves http-01 in this process, from before the clock starts.
type Answers struct {
	options Options
	answers sync.Map
}

type answer struct {
	keyAuthorization string
	visible          time.Time
}

// Serve listens on the port at which the CA asks.
func Serve(o Options) *Answers {
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", o.HTTPPort))
	if err != nil {
		log.Fatal(err)
	}
	a := &Answers{options: o}
	go func() { log.Fatal(http.Serve(listener, a)) }()
	return a
}

// Put serves a key authorization, visible once it has propagated.
func (a *Answers) Put(token, keyAuthorization string) {
	a.answers.Store(token, answer{keyAuthorization, time.Now().Add(a.options.Propagation)})
}

// Drop serves it no more.
func (a *Answers) Drop(token string) {
	a.answers.Delete(token)
}

// Wait waits as --wait-kind says.
func (a *Answers) Wait(ctx context.Context, token string) error {
	pause := a.options.Propagation
	if found, ok := a.answers.Load(token); ok && a.options.WaitKind == "clock" {
		pause = time.Until(found.(answer).visible)
	}
	select {
	case <-time.After(pause):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (a *Answers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	found, ok := a.answers.Load(strings.TrimPrefix(r.URL.Path, path))
	if !ok || time.Now().Before(found.(answer).visible) {
		http.NotFound(w, r)
		return
	}
	_, _ = w.Write([]byte(found.(answer).keyAuthorization))
}
