// Command go-acmez obtains certificates with github.com/mholt/acmez.
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"flag"
	"net/http"

	"acmez.invalid/benchmarks/gobench"
	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
)

type solver struct{ answers *gobench.Answers }

func (s solver) Present(_ context.Context, c acme.Challenge) error {
	s.answers.Put(c.Token, c.KeyAuthorization)
	return nil
}

func (s solver) CleanUp(_ context.Context, c acme.Challenge) error {
	s.answers.Drop(c.Token)
	return nil
}

// waitingSolver is told apart by its shape: acmez waits only with solvers that can.
type waitingSolver struct{ solver }

func (s waitingSolver) Wait(ctx context.Context, c acme.Challenge) error {
	return s.answers.Wait(ctx, c.Token)
}

func main() {
	pollInterval := flag.Duration("poll-interval", 0, "how often to poll; 0: as the library comes")
	options := gobench.Parse()
	account := acme.Account{
		Status:     acme.StatusValid,
		Location:   options.AccountURL,
		PrivateKey: options.Key(),
	}
	roots := options.Roots()
	var answering acmez.Solver = solver{gobench.Serve(options)}
	if options.Propagation > 0 {
		answering = waitingSolver{answering.(solver)}
	}

	gobench.Measure(options, func() func(int) error {
		client := acmez.Client{
			Client: &acme.Client{
				Directory:    options.Directory,
				PollInterval: *pollInterval,
				HTTPClient: &http.Client{
					Transport: &http.Transport{
						TLSClientConfig:     &tls.Config{RootCAs: roots},
						ForceAttemptHTTP2:   true,
						MaxIdleConnsPerHost: max(http.DefaultMaxIdleConnsPerHost, options.Concurrency),
					},
				},
			},
			ChallengeSolvers: map[string]acmez.Solver{acme.ChallengeTypeHTTP01: answering},
		}
		return func(order int) error {
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			if err != nil {
				return err
			}
			_, err = client.ObtainCertificateForSANs(context.Background(), account, key, options.Domains(order))
			return err
		}
	})
}
