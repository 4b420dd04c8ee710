// Package gobench is what the Go programs have in common: options, http-01 answers, and the measuring.
package gobench

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"flag"
	"fmt"
	"log"
	"os"
	"time"
)

// Options are those of every program, in every language.
type Options struct {
	Directory   string
	Trust       string
	AccountKey  string
	AccountURL  string
	Tag         string
	HTTPPort    int
	Names       int
	Orders      int
	Concurrency int
	Propagation time.Duration
	WaitKind    string
}

// Parse reads the command line; a program defines flags of its own before.
func Parse() Options {
	var o Options
	flag.StringVar(&o.Directory, "directory", "", "the CA's directory `URL`")
	flag.StringVar(&o.Trust, "trust", "", "PEM `file` with the root of the CA's own server")
	flag.StringVar(&o.AccountKey, "account-key", "", "PEM `file` with the account's key (PKCS #8)")
	flag.StringVar(&o.AccountURL, "account-url", "", "`URL` of the account")
	flag.StringVar(&o.Tag, "tag", "run", "a `label` that makes the names of this run its own")
	flag.IntVar(&o.HTTPPort, "http-port", 80, "where the CA asks for http-01 answers")
	flag.IntVar(&o.Names, "names", 1, "names for each certificate")
	flag.IntVar(&o.Orders, "orders", 1, "certificates")
	flag.IntVar(&o.Concurrency, "concurrency", 1, "certificates at once")
	seconds := flag.Float64("propagation", 0, "`seconds` until an answer is visible")
	flag.StringVar(&o.WaitKind, "wait-kind", "clock", "clock: wait until then; sleep: so long for each name")
	flag.Parse()
	o.Propagation = time.Duration(*seconds * float64(time.Second))
	return o
}

// Domains returns the names of one order.
func (o Options) Domains(order int) []string {
	domains := make([]string, o.Names)
	for i := range domains {
		domains[i] = fmt.Sprintf("n%d.o%d.%s.example.test", i, order, o.Tag)
	}
	return domains
}

// Key returns the account's private key.
func (o Options) Key() crypto.Signer {
	block, _ := pem.Decode(read(o.AccountKey))
	if block == nil {
		log.Fatalf("%s: no PEM", o.AccountKey)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		log.Fatalf("%s: %v", o.AccountKey, err)
	}
	return key.(crypto.Signer)
}

// Roots returns what vouches for the CA's own server.
func (o Options) Roots() *x509.CertPool {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(read(o.Trust)) {
		log.Fatalf("%s: no certificate", o.Trust)
	}
	return pool
}

func read(path string) []byte {
	data, err := os.ReadFile(path)
	if err != nil {
		log.Fatal(err)
	}
	return data
}
