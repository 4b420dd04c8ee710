// Command lego obtains certificates with github.com/go-acme/lego.
package main

import (
	"context"
	"crypto"
	"crypto/tls"
	"log/slog"
	"net/http"
	"os"
	"time"

	"acmez.invalid/benchmarks/gobench"
	"github.com/go-acme/lego/v5/acme"
	"github.com/go-acme/lego/v5/certcrypto"
	"github.com/go-acme/lego/v5/certificate"
	"github.com/go-acme/lego/v5/challenge/http01"
	"github.com/go-acme/lego/v5/lego"
	"github.com/go-acme/lego/v5/log"
)

type provider struct{ answers *gobench.Answers }

func (p provider) Present(_ context.Context, _, token, keyAuthorization string) error {
	p.answers.Put(token, keyAuthorization)
	return nil
}

func (p provider) CleanUp(_ context.Context, _, token, _ string) error {
	p.answers.Drop(token)
	return nil
}

type user struct {
	key     crypto.Signer
	account acme.ExtendedAccount
}

func (u user) GetEmail() string                       { return "" }
func (u user) GetRegistration() *acme.ExtendedAccount { return &u.account }
func (u user) GetPrivateKey() crypto.Signer           { return u.key }

func main() {
	options := gobench.Parse()
	log.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})))
	account := user{options.Key(), acme.ExtendedAccount{Location: options.AccountURL}}
	roots := options.Roots()
	answers := gobench.Serve(options)

	gobench.Measure(options, func() func(int) error {
		config := lego.NewConfig(account)
		config.CADirURL = options.Directory
		transport := config.HTTPClient.Transport.(*http.Transport)
		transport.TLSClientConfig = &tls.Config{RootCAs: roots}
		transport.MaxIdleConnsPerHost = max(http.DefaultMaxIdleConnsPerHost, options.Concurrency)
		client, err := lego.NewClient(config)
		if err != nil {
			log.Fatal("start", log.ErrorAttr(err))
		}
		// lego waits for http-01 by sleeping, name after name.
		delay := http01.SetDelay(options.Propagation.Round(time.Millisecond))
		if err := client.Challenge.SetHTTP01Provider(provider{answers}, delay); err != nil {
			log.Fatal("start", log.ErrorAttr(err))
		}
		return func(order int) error {
			request := certificate.ObtainRequest{Domains: options.Domains(order), KeyType: certcrypto.EC256, Bundle: true}
			_, err := client.Certificate.Obtain(context.Background(), request)
			return err
		}
	})
}
