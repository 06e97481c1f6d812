package model

import "time"

// FunctionState says whether a function can be invoked.
type FunctionState string

// The states of a function.
const (
	FunctionPending FunctionState = "Pending"
	FunctionActive  FunctionState = "Active"
	FunctionFailed  FunctionState = "Failed"
)

// FunctionUpdate is how the last change of a function goes.
type FunctionUpdate string

// The states of a change of a function.
const (
	FunctionUpdateInProgress FunctionUpdate = "InProgress"
	FunctionUpdateSuccessful FunctionUpdate = "Successful"
	FunctionUpdateFailed     FunctionUpdate = "Failed"
)

// Function is a Lambda function. Key: Name.
type Function struct {
	Name        string            `json:"name" w:"api/lambda"`
	ARN         string            `json:"arn" w:"api/lambda"`
	Runtime     string            `json:"runtime" w:"api/lambda"`
	Handler     string            `json:"handler" w:"api/lambda"`
	RoleARN     string            `json:"roleArn" w:"api/lambda"`
	Description string            `json:"description,omitempty" w:"api/lambda"`
	Timeout     int64             `json:"timeout" w:"api/lambda"`    // seconds
	MemorySize  int64             `json:"memorySize" w:"api/lambda"` // MiB
	Environment map[string]string `json:"environment,omitempty" w:"api/lambda"`
	// base64; the zip is a file in the functions folder named by its hex digest
	CodeSHA256     string         `json:"codeSha256" w:"api/lambda"`
	CodeSize       int64          `json:"codeSize" w:"api/lambda"`
	Architecture   string         `json:"architecture" w:"api/lambda"`
	Subnets        []string       `json:"subnets,omitempty" w:"api/lambda"`
	SecurityGroups []string       `json:"securityGroups,omitempty" w:"api/lambda"`
	EphemeralMB    int64          `json:"ephemeralMb" w:"api/lambda"`
	LogGroup       string         `json:"logGroup" w:"api/lambda"`
	Concurrency    *int64         `json:"concurrency,omitempty" w:"api/lambda"`
	Tags           []Tag          `json:"tags,omitempty" w:"api/lambda"`
	RevisionID     string         `json:"revisionId" w:"api/lambda"`
	ModifiedAt     time.Time      `json:"modifiedAt" w:"api/lambda"`
	Policy         string         `json:"policy,omitempty" w:"api/lambda"`
	State          FunctionState  `json:"state" w:"api/lambda,controllers/lambda"`
	StateReason    string         `json:"stateReason,omitempty" w:"controllers/lambda"`
	StateCode      string         `json:"stateCode,omitempty" w:"controllers/lambda"`
	UpdateStatus   FunctionUpdate `json:"updateStatus" w:"api/lambda,controllers/lambda"`
	// Interfaces is how many environments have needed a network at once; each
	// has an interface of its own. There is always one.
	Interfaces int64 `json:"interfaces,omitempty" w:"controllers/network"`
}
