// The searches of ../README.md with the official Go client.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// --- recipe
func connect(port int) (*qdrant.Client, error) {
	return qdrant.NewClient(&qdrant.Config{Host: "127.0.0.1", Port: port})
}

// asking gives the context of a search that is reranked for text: client.Query(asking(ctx, text), request).
func asking(ctx context.Context, text string) context.Context {
	encoded := strings.ReplaceAll(url.QueryEscape(text), "+", "%20")
	return metadata.AppendToOutgoingContext(ctx, "x-rerank-query", encoded)
}

// searchWithStatus also says what became of the search: the high-level calls hand out no metadata, those below them do.
func searchWithStatus(ctx context.Context, client *qdrant.Client, request *qdrant.QueryPoints) ([]*qdrant.ScoredPoint, string, error) {
	var header metadata.MD
	response, err := client.GetPointsClient().Query(ctx, request, grpc.Header(&header))
	return response.GetResult(), strings.Join(header.Get("x-rerank-status"), ", "), err
}

// --- recipe

func nearest(collection string, vector []float32, limit uint64) *qdrant.QueryPoints {
	return &qdrant.QueryPoints{
		CollectionName: collection,
		Query:          qdrant.NewQuery(vector...),
		Limit:          qdrant.PtrOf(limit),
		WithPayload:    qdrant.NewWithPayload(true),
	}
}

func filtered(ctx context.Context, client *qdrant.Client, request *qdrant.QueryPoints, topic string) ([]*qdrant.ScoredPoint, error) {
	request.Filter = &qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewMatch("topic", topic)}}
	return client.Query(ctx, request)
}

func batch(ctx context.Context, client *qdrant.Client, collection string, vector []float32) ([][]uint64, error) {
	second := nearest(collection, vector, 3)
	second.Offset = qdrant.PtrOf(uint64(2))
	results, err := client.QueryBatch(ctx, &qdrant.QueryBatchPoints{
		CollectionName: collection,
		QueryPoints:    []*qdrant.QueryPoints{nearest(collection, vector, 4), second},
	})
	var found [][]uint64
	for _, one := range results {
		found = append(found, ids(one.GetResult()))
	}
	return found, err
}

func groups(ctx context.Context, client *qdrant.Client, collection string, vector []float32) ([][2]any, error) {
	results, err := client.QueryGroups(ctx, &qdrant.QueryPointGroups{
		CollectionName: collection,
		Query:          qdrant.NewQuery(vector...),
		GroupBy:        "topic",
		Limit:          qdrant.PtrOf(uint64(3)),
		GroupSize:      qdrant.PtrOf(uint64(3)),
		WithPayload:    qdrant.NewWithPayload(true),
	})
	var found [][2]any
	for _, group := range results {
		found = append(found, [2]any{group.GetId().GetStringValue(), ids(group.GetHits())})
	}
	return found, err
}

func ids(points []*qdrant.ScoredPoint) []uint64 {
	found := []uint64{}
	for _, point := range points {
		found = append(found, point.GetId().GetNum())
	}
	return found
}

// show prints one line for each search: its ids in their order, or the status that it ended with.
func show(search string, found any, shown string, err error) {
	line := map[string]any{"search": search}
	if err != nil {
		var own interface{ GRPCStatus() *status.Status }
		if !errors.As(err, &own) {
			log.Fatal(err)
		}
		line["code"] = own.GRPCStatus().Code()
		line["message"] = own.GRPCStatus().Message()
	} else {
		line["ids"] = found
		if shown != "" {
			line["status"] = shown
		}
	}
	text, _ := json.Marshal(line)
	fmt.Println(string(text))
}

func main() {
	port, err := strconv.Atoi(os.Getenv("QDRANT_GRPC_PORT"))
	if err != nil {
		log.Fatal(err)
	}
	collection := os.Getenv("COLLECTION")
	var vector []float32
	for _, one := range strings.Split(os.Getenv("VECTOR"), ",") {
		number, err := strconv.ParseFloat(one, 32)
		if err != nil {
			log.Fatal(err)
		}
		vector = append(vector, float32(number))
	}

	client, err := connect(port)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	ctx := context.Background()
	if text := os.Getenv("QUERY_TEXT"); text != "" {
		ctx = asking(ctx, text)
	}

	points, err := client.Query(ctx, nearest(collection, vector, 5))
	show("plain", ids(points), "", err)
	points, err = filtered(ctx, client, nearest(collection, vector, 4), os.Getenv("TOPIC"))
	show("filtered", ids(points), "", err)
	both, err := batch(ctx, client, collection, vector)
	show("batch", both, "", err)
	grouped, err := groups(ctx, client, collection, vector)
	show("groups", grouped, "", err)
	points, shown, err := searchWithStatus(ctx, client, nearest(collection, vector, 5))
	show("shown", ids(points), shown, err)
	points, err = client.Query(ctx, nearest("missing", vector, 5))
	show("unknown", ids(points), "", err)
}
