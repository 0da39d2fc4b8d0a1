// What stands in, in the test's pods, for the parts that no registry has or that would need a network: a database, a
// provider of reranking, an application that searches, and what holds a pod's namespaces. Each is a subcommand.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == "pause" {
		ended := make(chan os.Signal, 1)
		signal.Notify(ended, syscall.SIGTERM, syscall.SIGINT)
		<-ended
		return
	}
	parts := map[string]http.Handler{"database": database(), "provider": provider(), "app": app()}
	if len(os.Args) != 3 || parts[os.Args[1]] == nil {
		log.Fatal("usage: peers pause, peers database|provider|app ADDRESS")
	}
	serve(os.Args[2], parts[os.Args[1]])
}

// serve ends as a well-behaved server does: what is under way is answered first.
func serve(address string, handler http.Handler) {
	server := &http.Server{Addr: address, Handler: handler}
	ended, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	drained := make(chan error, 1)
	go func() {
		<-ended.Done()
		drained <- server.Shutdown(context.Background())
	}()
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		log.Fatal(err)
	}
	<-drained
}

const hits = 50

func text(number int) string {
	return fmt.Sprintf("passage %d: the refund of a late train is paid within %d days by the carrier", number, number%30)
}

// database answers any search with the same fifty hits, as Elasticsearch or as Qdrant.
func database() http.Handler {
	elastic, points := []any{}, []any{}
	for number := range hits {
		score := 1 - float64(number)/100
		elastic = append(elastic, map[string]any{
			"_index": "docs", "_id": fmt.Sprint(number), "_score": score, "_source": map[string]any{"text": text(number)},
		})
		points = append(points, map[string]any{
			"id": number, "version": 1, "score": score, "payload": map[string]any{"text": text(number)},
		})
	}
	search := encoded(map[string]any{
		"took": 1, "timed_out": false, "_shards": map[string]int{"total": 1, "successful": 1, "skipped": 0, "failed": 0},
		"hits": map[string]any{
			"total": map[string]any{"value": hits, "relation": "eq"}, "max_score": 1.0, "hits": elastic,
		},
	})
	query := encoded(map[string]any{"result": map[string]any{"points": points}, "status": "ok", "time": 0.001})
	mux := http.NewServeMux()
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "all shards are ready") })
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("content-type", "application/json")
		switch {
		case strings.HasSuffix(r.URL.Path, "/_search"):
			w.Header().Set("x-elastic-product", "Elasticsearch")
			answer(w, search)
		case strings.HasSuffix(r.URL.Path, "/points/query"):
			answer(w, query)
		default:
			fmt.Fprint(w, "{}")
		}
	})
	return mux
}

// provider scores documents, in Cohere's shape, in twenty milliseconds; /calls says how often.
func provider() http.Handler {
	var calls atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("/calls", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, calls.Load()) })
	mux.HandleFunc("POST /v2/rerank", func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		var asked struct{ Documents []string }
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			http.Error(w, `{"message":"not JSON"}`, http.StatusBadRequest)
			return
		}
		results := []any{}
		for index := range asked.Documents {
			results = append(results, map[string]any{
				"index": index, "relevance_score": float64(index*7%len(asked.Documents)) / float64(len(asked.Documents)),
			})
		}
		time.Sleep(20 * time.Millisecond)
		w.Header().Set("content-type", "application/json")
		w.Write(encoded(map[string]any{
			"id": "1", "results": results, "meta": map[string]any{"billed_units": map[string]int{"search_units": 1}},
		}))
	})
	return mux
}

// app passes what it is asked on to SEARCH_URL, which is where it thinks its database is.
func app() http.Handler {
	target, err := url.Parse(os.Getenv("SEARCH_URL"))
	if err != nil {
		log.Fatal(err)
	}
	return httputil.NewSingleHostReverseProxy(target)
}

// answer writes it in one piece, as the databases do.
func answer(w http.ResponseWriter, body []byte) {
	w.Header().Set("content-length", fmt.Sprint(len(body)))
	w.Write(body)
}

func encoded(value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		log.Fatal(err)
	}
	return text
}
