package gobench

import (
	"encoding/json"
	"log"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

type result struct {
	Wall    float64 `json:"wall"`
	CPU     float64 `json:"cpu"`
	Latency float64 `json:"latency"`
	RSS     int64   `json:"rss"`
}

// Measure runs all orders and prints what they took. The clock starts before start, which makes the client and
// returns what obtains the certificate of one order.
func Measure(o Options, start func() func(order int) error) {
	latencies := make([]float64, o.Orders)
	cpu, began := cpuSeconds(), time.Now()
	obtain := start()
	var next atomic.Int64
	var workers sync.WaitGroup
	for range o.Concurrency {
		workers.Go(func() {
			for order := int(next.Add(1)) - 1; order < o.Orders; order = int(next.Add(1)) - 1 {
				started := time.Now()
				if err := obtain(order); err != nil {
					log.Fatalf("order %d: %v", order, err)
				}
				latencies[order] = time.Since(started).Seconds()
			}
		})
	}
	workers.Wait()
	slices.Sort(latencies)
	measured := result{time.Since(began).Seconds(), cpuSeconds() - cpu, latencies[len(latencies)/2], peakRSS()}
	if err := json.NewEncoder(os.Stdout).Encode(measured); err != nil {
		log.Fatal(err)
	}
}

func usage() syscall.Rusage {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		log.Fatal(err)
	}
	return usage
}

func cpuSeconds() float64 {
	used := usage()
	return time.Duration(used.Utime.Nano() + used.Stime.Nano()).Seconds()
}

// peakRSS reads VmHWM where there is one: ru_maxrss counts what the parent had before exec.
func peakRSS() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return usage().Maxrss
	}
	for line := range strings.Lines(string(status)) {
		if fields := strings.Fields(line); fields[0] == "VmHWM:" {
			kilobytes, _ := strconv.ParseInt(fields[1], 10, 64)
			return kilobytes * 1024
		}
	}
	return 0
}
