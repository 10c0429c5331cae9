// Asks a running tercet about pictures over gRPC and prints the answer while it streams.
//
//	go generate && go run . "What is this?" photo.jpg
package main

//go:generate npx buf generate ../../../libs/contracts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	tercet "tercet.dev/examples/gen/tercet/v1"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) < 2 {
		log.Fatal("usage: go run . QUESTION [PICTURE…]")
	}
	address := os.Getenv("TERCET_GRPC")
	if address == "" {
		address = "127.0.0.1:8081"
	}
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	defer connection.Close()
	if trailer, err := ask(tercet.NewGatewayClient(connection), os.Args[1], os.Args[2:]); err != nil {
		log.Fatalf("%v %v", err, trailer["tercet-code"])
	}
}

func ask(gateway tercet.GatewayClient, question string, pictures []string) (metadata.MD, error) {
	ctx := context.Background()
	models, err := gateway.ListModels(ctx, &tercet.ListModelsRequest{})
	if err != nil {
		return nil, err
	}
	var parts []*tercet.ContentPart
	for _, file := range pictures {
		bytes, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		parts = append(parts, &tercet.ContentPart{Part: &tercet.ContentPart_Image{Image: bytes}})
	}
	parts = append(parts, &tercet.ContentPart{Part: &tercet.ContentPart_Text{Text: question}})
	stream, err := gateway.Chat(ctx, &tercet.ChatRequest{
		Model:    models.Models[0].Name,
		Messages: []*tercet.ChatMessage{{Role: "user", Parts: parts}},
	})
	if err != nil {
		return nil, err
	}
	for {
		event, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil, nil
		} else if err != nil {
			return stream.Trailer(), err
		}
		fmt.Print(event.GetDelta().GetText())
		if end := event.GetFinished(); end != nil {
			fmt.Println()
			log.Printf("first token after %.1f ms; %d tokens", end.Ttft.GetTtftMs(), end.Usage.GetCompletionTokens())
		}
	}
}
