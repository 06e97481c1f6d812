package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
)

// apiModel is a service model in the form botocore publishes.
type apiModel struct {
	Metadata   metadata             `json:"metadata"`
	Operations map[string]operation `json:"operations"`
	Shapes     map[string]*shape    `json:"shapes"`
}

type metadata struct {
	APIVersion          string          `json:"apiVersion"`
	EndpointPrefix      string          `json:"endpointPrefix"`
	JSONVersion         string          `json:"jsonVersion"`
	Protocols           []string        `json:"protocols"`
	ServiceFullName     string          `json:"serviceFullName"`
	ServiceID           string          `json:"serviceId"`
	SigningName         string          `json:"signingName"`
	TargetPrefix        string          `json:"targetPrefix"`
	XMLNamespace        string          `json:"xmlNamespace"`
	GlobalEndpoint      string          `json:"globalEndpoint"`
	AWSQueryCompatible  json.RawMessage `json:"awsQueryCompatible"`
	ServiceAbbreviation string          `json:"serviceAbbreviation"`
}

type operation struct {
	HTTP struct {
		Method       string `json:"method"`
		RequestURI   string `json:"requestUri"`
		ResponseCode int    `json:"responseCode"`
	} `json:"http"`
	Input  *reference  `json:"input"`
	Output *reference  `json:"output"`
	Errors []reference `json:"errors"`
}

type reference struct {
	Shape            string `json:"shape"`
	LocationName     string `json:"locationName"`
	QueryName        string `json:"queryName"`
	Location         string `json:"location"`
	Flattened        bool   `json:"flattened"`
	TimestampFormat  string `json:"timestampFormat"`
	IdempotencyToken bool   `json:"idempotencyToken"`
	XMLAttribute     bool   `json:"xmlAttribute"`
	ResultWrapper    string `json:"resultWrapper"`
	XMLNamespace     struct {
		URI string `json:"uri"`
	} `json:"xmlNamespace"`
}

type shape struct {
	Type            string     `json:"type"`
	Members         members    `json:"members"`
	Required        []string   `json:"required"`
	Enum            []string   `json:"enum"`
	Min             *float64   `json:"min"`
	Max             *float64   `json:"max"`
	Pattern         string     `json:"pattern"`
	Member          *reference `json:"member"`
	Key             *reference `json:"key"`
	Value           *reference `json:"value"`
	Flattened       bool       `json:"flattened"`
	Payload         string     `json:"payload"`
	LocationName    string     `json:"locationName"`
	TimestampFormat string     `json:"timestampFormat"`
	Document        bool       `json:"document"`
	EventStream     bool       `json:"eventstream"`
	Sensitive       bool       `json:"sensitive"`
	Exception       bool       `json:"exception"`
	Fault           bool       `json:"fault"`
	Error           *struct {
		Code           string `json:"code"`
		HTTPStatusCode int    `json:"httpStatusCode"`
		SenderFault    bool   `json:"senderFault"`
	} `json:"error"`
}

// members keeps the order in which a model lists a structure's members: it
// is the order of the fields, and of the elements in an answer.
type members []member

type member struct {
	Name string
	reference
}

func (m *members) UnmarshalJSON(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	if _, err := d.Token(); err != nil {
		return err
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		one := member{Name: name.(string)}
		if err := d.Decode(&one.reference); err != nil {
			return fmt.Errorf("member %s: %w", one.Name, err)
		}
		*m = append(*m, one)
	}
	return nil
}

func loadModel(file string) (*apiModel, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("unpack %s: %w", file, err)
	}
	m := &apiModel{}
	if err := json.NewDecoder(z).Decode(m); err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	return m, nil
}
