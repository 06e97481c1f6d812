package ecs_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"berth/internal/api/apitest"
	"berth/internal/model"
	"berth/internal/state"
)

const (
	arns  = "arn:aws:ecs:us-east-1:123456789012:"
	infra = "arn:aws:iam::123456789012:role/infra"
)

// putClusters puts what clusters hold: providers that are in use, at rest and
// being changed, services that are there, going and gone, deployments under way
// and over, an instance and its task.
func putClusters(w *apitest.World) {
	at := time.Unix(1, 0)
	for _, name := range []string{"c", "provided", "tasked", "manned", "bare"} {
		apitest.Put(w, state.Clusters, model.Cluster{
			Name: name, ARN: arns + "cluster/" + name, Status: "ACTIVE", CapacityProviders: []string{"used", "idle", "busy"},
		})
	}
	for name, update := range map[string]model.ProviderUpdate{
		"used": model.ProviderCreateComplete, "idle": model.ProviderCreateComplete, "busy": model.ProviderUpdateInProgress,
	} {
		apitest.Put(w, state.CapacityProviders, model.CapacityProvider{
			Name: name, ARN: arns + "capacity-provider/" + name, Cluster: "c", Status: model.ProviderActive, UpdateStatus: update,
		})
	}
	apitest.Put(w, state.CapacityProviders, model.CapacityProvider{
		Name: "grouped", Cluster: "bare", Status: model.ProviderActive, UpdateStatus: model.ProviderCreateComplete,
		Group: &model.GroupProvider{Name: "hosts", Scaling: model.ManagedScaling{Target: 100, MinStep: 1, MaxStep: 1}},
	})
	apitest.Put(w, state.AutoScalingGroups, model.AutoScalingGroup{Name: "hosts"}, model.AutoScalingGroup{Name: "free"})
	apitest.Put(w, state.Clusters, model.Cluster{
		Name: "sliced", ARN: arns + "cluster/sliced", Status: "ACTIVE", CapacityProviders: []string{model.ProviderFargate},
	})
	apitest.Put(w, state.Services, model.Service{
		Name: "s", ARN: arns + "service/sliced/s", Cluster: "sliced", Status: model.ServiceActive, TaskDefinition: arns + "task-definition/f:1",
		Strategy: []model.StrategyItem{{Provider: model.ProviderFargate, Weight: 1}},
	})
	apitest.Put(w, state.CapacityProviders, model.CapacityProvider{Name: "p", Cluster: "provided", Status: model.ProviderActive})
	for name, status := range map[string]model.ServiceStatus{
		"s": model.ServiceActive, "going": model.ServiceDraining, "gone": model.ServiceInactive,
	} {
		apitest.Put(w, state.Services, model.Service{
			Name: name, ARN: arns + "service/c/" + name, Cluster: "c", Status: status, DesiredCount: 1, TaskDefinition: arns + "task-definition/f:1",
			Strategy: []model.StrategyItem{{Provider: "used", Weight: 1}},
		})
	}
	for name, status := range map[string]model.DeploymentStatus{
		"over": model.DeploymentSuccessful, "now": model.DeploymentInProgress,
	} {
		apitest.Put(w, state.ServiceDeployments, model.ServiceDeployment{
			ARN: arns + "service-deployment/c/s/" + name, Service: arns + "service/c/s", Cluster: "c", Status: status, CreatedAt: at, UpdatedAt: at,
		})
	}
	apitest.Put(w, state.Instances, model.Instance{
		ID: "i-1", ARN: arns + "container-instance/c/1", Cluster: "c", Type: "c6i.large", Status: "ACTIVE", State: "running",
	}, model.Instance{ID: "i-2", ARN: arns + "container-instance/manned/2", Cluster: "manned", Status: "ACTIVE", State: "running"})
	own := model.Instance{
		ID: "i-3", ARN: arns + "container-instance/c/own", Cluster: "c", Kind: model.KindEC2, Status: "ACTIVE", State: "running",
	}
	for n := range 10 {
		own.Attributes = append(own.Attributes, model.Attribute{Name: fmt.Sprint("a", n)})
	}
	apitest.Put(w, state.Instances, own)
	apitest.Put(w, state.Tasks, model.Task{
		ARN: arns + "task/c/1", ID: "1", Cluster: "c", Instance: arns + "container-instance/c/1", AttachmentID: "a", LastStatus: "RUNNING",
	}, model.Task{ARN: arns + "task/tasked/2", ID: "2", Cluster: "tasked", LastStatus: "RUNNING"})
	putDefinitions(w)
}

// putDefinitions puts a family with an active revision and one that is not, and
// what its tasks need.
func putDefinitions(w *apitest.World) {
	for i, status := range []model.DefinitionStatus{model.DefinitionActive, model.DefinitionInactive} {
		family := []string{"f", "old"}[i]
		apitest.Put(w, state.TaskDefinitions, model.TaskDefinition{
			ARN: arns + "task-definition/" + family + ":1", Family: family, Revision: 1, Status: status, NetworkMode: "host",
			Containers: []model.ContainerDefinition{{Name: "web", Image: "x", Essential: true}},
		})
	}
	apitest.Put(w, state.Subnets, model.Subnet{ID: "subnet-1", VPC: "vpc-1"})
	apitest.Put(w, state.SecurityGroups, model.SecurityGroup{ID: "sg-1", VPC: "vpc-1"})
}

// words are what rows stand short for.
var words = strings.NewReplacer(
	"LOST", "cluster=lost", "ARN/", arns, "TAG", `[{"key":"a","value":"b"}]`, "RESERVED", `[{"key":"aws:a","value":"b"}]`,
	"MANY", `["`+strings.Repeat(`x","`, 100)+`x"]`, "PROVIDER", `managedInstancesProvider={"infrastructureRoleArn":"`+infra+
		`","instanceLaunchTemplate":{"ec2InstanceProfileArn":"x","networkConfiguration":{"subnets":["subnet-1"],"securityGroups":["sg-1"]}`,
	"WEB", `containerDefinitions=[{"name":"web","image":"x"}] memory="512" requiresCompatibilities=["MANAGED_INSTANCES"]`,
	"USED", `capacityProviderStrategy=[{"capacityProvider":"used"}]`, "STRANGER", "as=arn:aws:iam::123456789012:role/stranger",
)

func TestErrorsAreAsListed(t *testing.T) {
	w := apitest.NewWorld(t)
	putClusters(w)
	w.Must("iam", "CreateRole", apitest.In{"RoleName": "stranger", "AssumeRolePolicyDocument": trust})
	w.Must("iam", "PutRolePolicy", apitest.In{"RoleName": "stranger", "PolicyName": "all", "PolicyDocument": allow})
	apitest.Errors(t, w, "ecs", words.Replace(clusterErrors+definitionErrors+serviceErrors+taskErrors))
}

const (
	trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	allow = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
)

const clusterErrors = `
	CreateCluster InvalidParameterException clusterName=a.b
	CreateCluster InvalidParameterException clusterName=new settings=[{"name":"containerInsights","value":"lost"}]
	CreateCluster InvalidParameterException clusterName=new capacityProviders=["lost"]
	CreateCluster NotImplemented clusterName=new capacityProviders=["grouped"]
	UpdateCluster ClusterNotFoundException LOST
	CreateCluster NotImplemented clusterName=new settings=[{"name":"containerInsights","value":"enhanced"}]
	UpdateCluster InvalidParameterException cluster=c settings=[{"name":"containerInsights","value":"lost"}]
	UpdateClusterSettings ClusterNotFoundException LOST settings=[{"name":"containerInsights","value":"enabled"}]
	UpdateClusterSettings InvalidParameterException cluster=c settings=[{"name":"containerInsights","value":"lost"}]
	DeleteCluster ClusterNotFoundException LOST
	DeleteCluster ClusterContainsServicesException cluster=c
	DeleteCluster ClusterContainsTasksException cluster=tasked
	DeleteCluster ClusterContainsContainerInstancesException cluster=manned
	DeleteCluster ClusterContainsCapacityProviderException cluster=provided
	DescribeClusters InvalidParameterException clusters=MANY
	ListClusters InvalidParameterException nextToken=made-up
	CreateCapacityProvider InvalidParameterException name=ecs-x cluster=c PROVIDER}}
	CreateCapacityProvider InvalidParameterException name=new PROVIDER}}
	CreateCapacityProvider InvalidParameterException name=new cluster=c PROVIDER,"storageConfiguration":{"storageSizeGiB":1}}}
	CreateCapacityProvider ClusterNotFoundException name=new LOST PROVIDER}}
	CreateCapacityProvider ClientException name=used cluster=c PROVIDER}}
	CreateCapacityProvider NotImplemented name=new cluster=c PROVIDER,"capacityOptionType":"reserved"}}
	CreateCapacityProvider ClientException name=new autoScalingGroupProvider={"autoScalingGroupArn":"x"}
	CreateCapacityProvider ClientException name=new autoScalingGroupProvider={"autoScalingGroupArn":"hosts"}
	CreateCapacityProvider ClientException name=grouped autoScalingGroupProvider={"autoScalingGroupArn":"free"}
	CreateCapacityProvider ClientException name=new autoScalingGroupProvider={"autoScalingGroupArn":"free","managedTerminationProtection":"ENABLED"}
	CreateCapacityProvider ClientException name=new autoScalingGroupProvider={"autoScalingGroupArn":"free","managedTerminationProtection":"ENABLED","managedScaling":{"status":"ENABLED"}}
	CreateCapacityProvider InvalidParameterException name=new cluster=c autoScalingGroupProvider={"autoScalingGroupArn":"free"}
	CreateCapacityProvider InvalidParameterException name=new autoScalingGroupProvider={"autoScalingGroupArn":"free","managedScaling":{"targetCapacity":0}}
	CreateCapacityProvider InvalidParameterException name=new autoScalingGroupProvider={"autoScalingGroupArn":"free","managedScaling":{"minimumScalingStepSize":5,"maximumScalingStepSize":4}}
	CreateCapacityProvider InvalidParameterException name=new autoScalingGroupProvider={"autoScalingGroupArn":"free","managedScaling":{"maximumScalingStepSize":10001}}
	CreateCapacityProvider InvalidParameterException name=new autoScalingGroupProvider={"autoScalingGroupArn":"free","managedScaling":{"instanceWarmupPeriod":10001}}
	UpdateCapacityProvider InvalidParameterException name=used
	UpdateCapacityProvider InvalidParameterException name=used cluster=manned PROVIDER}}
	UpdateCapacityProvider ClientException name=lost PROVIDER}}
	UpdateCapacityProvider UpdateInProgressException name=busy PROVIDER}}
	UpdateCapacityProvider InvalidParameterException name=used autoScalingGroupProvider={"managedScaling":{"status":"ENABLED"}}
	UpdateCapacityProvider InvalidParameterException name=grouped autoScalingGroupProvider={"managedScaling":{"targetCapacity":101}}
	UpdateCapacityProvider ClientException name=grouped autoScalingGroupProvider={"managedTerminationProtection":"ENABLED"}
	UpdateCapacityProvider ClientException name=lost autoScalingGroupProvider={"managedTerminationProtection":"ENABLED"}
	DeleteCapacityProvider ClientException capacityProvider=grouped
	DeleteCapacityProvider ClientException capacityProvider=lost
	DeleteCapacityProvider ClientException capacityProvider=used
	DeleteCapacityProvider InvalidParameterException capacityProvider=idle cluster=manned
	DeleteCapacityProvider UpdateInProgressException capacityProvider=busy
	DescribeCapacityProviders InvalidParameterException capacityProviders=["used"] cluster=c
	DescribeCapacityProviders InvalidParameterException capacityProviders=MANY
	PutClusterCapacityProviders ClusterNotFoundException LOST capacityProviders=[] defaultCapacityProviderStrategy=[]
	PutClusterCapacityProviders InvalidParameterException cluster=c capacityProviders=["lost"] defaultCapacityProviderStrategy=[]
	PutClusterCapacityProviders InvalidParameterException cluster=c capacityProviders=["used"] defaultCapacityProviderStrategy=[{"capacityProvider":"FARGATE"}]
	PutClusterCapacityProviders ResourceInUseException cluster=sliced capacityProviders=[] defaultCapacityProviderStrategy=[]
	ListAttributes ClusterNotFoundException LOST targetType=container-instance
	ListAttributes InvalidParameterException cluster=c targetType=container-instance nextToken=made-up
	PutAccountSetting InvalidParameterException name=lost value=enabled
	PutAccountSetting NotImplemented name=containerInsights value=enabled
	PutAccountSettingDefault InvalidParameterException name=lost value=enabled
	PutAccountSettingDefault NotImplemented name=containerInsights value=enabled
	ListAccountSettings InvalidParameterException nextToken=made-up
	DescribeContainerInstances ClusterNotFoundException LOST containerInstances=["x"]
	DescribeContainerInstances InvalidParameterException cluster=c containerInstances=[]
	ListContainerInstances ClusterNotFoundException LOST
	ListContainerInstances InvalidParameterException cluster=c filter=(
	UpdateContainerInstancesState ClusterNotFoundException LOST containerInstances=["x"] status=DRAINING
	UpdateContainerInstancesState InvalidParameterException cluster=c containerInstances=["x"] status=INACTIVE
	UpdateContainerInstancesState InvalidParameterException cluster=c containerInstances=[] status=DRAINING
	PutAttributes ClusterNotFoundException LOST attributes=[{"name":"a","targetId":"1"}]
	PutAttributes InvalidParameterException cluster=c attributes=[{"name":"a","targetId":"1"}]
	PutAttributes TargetNotFoundException cluster=c attributes=[{"name":"a","targetId":"lost"}]
	PutAttributes AttributeLimitExceededException cluster=c attributes=[{"name":"a","targetId":"own"}]
	DeleteAttributes ClusterNotFoundException LOST attributes=[{"name":"a","targetId":"1"}]
	DeleteAttributes InvalidParameterException cluster=c attributes=[]
	DeleteAttributes TargetNotFoundException cluster=c attributes=[{"name":"a","targetId":"lost"}]
	DeregisterContainerInstance ClusterNotFoundException LOST containerInstance="1"
	DeregisterContainerInstance InvalidParameterException cluster=c containerInstance="1"
	DeregisterContainerInstance InvalidParameterException cluster=c containerInstance=lost
	RegisterContainerInstance InvalidParameterException cluster=c
	RegisterContainerInstance ClientException cluster=c instanceIdentityDocument="{\"instanceId\":\"i-lost\"}"
	RegisterContainerInstance ClientException LOST instanceIdentityDocument="{\"instanceId\":\"i-1\"}"
	RegisterContainerInstance AccessDeniedException STRANGER cluster=c instanceIdentityDocument="{\"instanceId\":\"i-1\"}"
	DiscoverPollEndpoint InvalidParameterException cluster=c containerInstance=lost
	DiscoverPollEndpoint AccessDeniedException STRANGER cluster=c containerInstance=ARN/container-instance/c/1
	TagResource InvalidParameterException resourceArn=ARN/cluster/lost tags=TAG
	TagResource InvalidParameterException resourceArn=ARN/cluster/c tags=RESERVED
	TagResource NotImplemented resourceArn=ARN/container-instance/c/1 tags=TAG
	UntagResource InvalidParameterException resourceArn=lost tagKeys=["a"]
	UntagResource NotImplemented resourceArn=ARN/container-instance/c/1 tagKeys=["a"]
	ListTagsForResource InvalidParameterException resourceArn=ARN/service/c/gone
`

const definitionErrors = `
	RegisterTaskDefinition ClientException family=a.b WEB
	RegisterTaskDefinition ClientException family=f containerDefinitions=[] requiresCompatibilities=["MANAGED_INSTANCES"]
	RegisterTaskDefinition ClientException family=f WEB cpu="64"
	RegisterTaskDefinition InvalidParameterException family=f WEB tags=RESERVED
	RegisterTaskDefinition InvalidParameterException family=f WEB placementConstraints=[{"type":"lost"}]
	RegisterTaskDefinition NotImplemented family=f WEB ipcMode=task
	RegisterTaskDefinition NotImplemented family=f WEB pidMode=task
	DeregisterTaskDefinition ClientException taskDefinition=lost:1
	DeregisterTaskDefinition InvalidParameterException taskDefinition=f
	DeleteTaskDefinitions InvalidParameterException taskDefinitions=[]
	DescribeTaskDefinition ClientException taskDefinition=lost
	ListTaskDefinitions InvalidParameterException nextToken=made-up
	ListTaskDefinitionFamilies InvalidParameterException nextToken=made-up
`

const serviceErrors = `
	CreateService ClusterNotFoundException LOST serviceName=new taskDefinition=f USED
	CreateService InvalidParameterException cluster=c serviceName=a.b taskDefinition=f USED
	CreateService InvalidParameterException cluster=c serviceName=s taskDefinition=f USED
	CreateService InvalidParameterException cluster=c serviceName=going taskDefinition=f USED
	CreateService InvalidParameterException cluster=c serviceName=new taskDefinition=f capacityProviderStrategy=[{"capacityProvider":"lost"}]
	CreateService ClientException cluster=c serviceName=new taskDefinition=lost USED
	CreateService ClientException cluster=c serviceName=new taskDefinition=old:1 USED
	CreateService NotImplemented cluster=c serviceName=new taskDefinition=f launchType=EXTERNAL
	UpdateService ClusterNotFoundException LOST service=s
	UpdateService ServiceNotFoundException cluster=c service=lost
	UpdateService ServiceNotActiveException cluster=c service=gone
	UpdateService InvalidParameterException cluster=c service=s desiredCount=-1
	UpdateService InvalidParameterException cluster=c service=s capacityProviderStrategy=[{"capacityProvider":"idle"}]
	UpdateService ClientException cluster=c service=s taskDefinition=lost
	UpdateService NotImplemented cluster=c service=s deploymentController={"type":"EXTERNAL"}
	DeleteService ClusterNotFoundException LOST service=s
	DeleteService ServiceNotFoundException cluster=c service=gone
	DeleteService InvalidParameterException cluster=c service=s
	DescribeServices ClusterNotFoundException LOST services=["s"]
	DescribeServices InvalidParameterException cluster=c services=[]
	ListServices ClusterNotFoundException LOST
	ListServices InvalidParameterException cluster=c nextToken=made-up
	DescribeServiceDeployments InvalidParameterException serviceDeploymentArns=[]
	ListServiceDeployments ClusterNotFoundException LOST service=s
	ListServiceDeployments ServiceNotFoundException cluster=c service=lost
	ListServiceDeployments InvalidParameterException cluster=c service=s nextToken=made-up
	DescribeServiceRevisions InvalidParameterException serviceRevisionArns=[]
	StopServiceDeployment ServiceDeploymentNotFoundException serviceDeploymentArn=lost
	StopServiceDeployment ConflictException serviceDeploymentArn=ARN/service-deployment/c/s/over
	StopServiceDeployment NotImplemented serviceDeploymentArn=ARN/service-deployment/c/s/now stopType=ABORT
	ContinueServiceDeployment ServiceDeploymentNotFoundException serviceDeploymentArn=lost hookId=ecs-pause-1
	ContinueServiceDeployment InvalidParameterException serviceDeploymentArn=ARN/service-deployment/c/s/over hookId=ecs-pause-1
	ContinueServiceDeployment InvalidParameterException serviceDeploymentArn=ARN/service-deployment/c/s/now hookId=ecs-pause-1
	ContinueServiceDeployment InvalidParameterException serviceDeploymentArn=ARN/service-deployment/c/s/now hookId=lost
`

const taskErrors = `
	RunTask ClusterNotFoundException LOST taskDefinition=f
	RunTask InvalidParameterException cluster=c taskDefinition=f count=11
	RunTask InvalidParameterException cluster=c taskDefinition=f USED overrides={"containerOverrides":[{"name":"lost"}]}
	RunTask ClientException cluster=c taskDefinition=lost USED
	RunTask NotImplemented cluster=c taskDefinition=f launchType=EXTERNAL
	StartTask ClusterNotFoundException LOST taskDefinition=f containerInstances=["1"]
	StartTask InvalidParameterException cluster=c taskDefinition=f containerInstances=[]
	StartTask ClientException cluster=c taskDefinition=lost containerInstances=["1"]
	StopTask ClusterNotFoundException LOST task="1"
	StopTask InvalidParameterException cluster=c task=lost
	DescribeTasks ClusterNotFoundException LOST tasks=["1"]
	DescribeTasks InvalidParameterException cluster=c tasks=[]
	ListTasks ClusterNotFoundException LOST
	ListTasks InvalidParameterException cluster=c containerInstance=lost
	ListTasks ServiceNotFoundException cluster=c serviceName=lost
	SubmitTaskStateChange InvalidParameterException cluster=c task=lost status=RUNNING
	SubmitTaskStateChange InvalidParameterException cluster=c task=ARN/task/c/1 status=lost
	SubmitTaskStateChange AccessDeniedException STRANGER cluster=c task=ARN/task/c/1 status=RUNNING
	SubmitContainerStateChange InvalidParameterException cluster=c task=lost containerName=web status=RUNNING
	SubmitContainerStateChange AccessDeniedException STRANGER cluster=c task=ARN/task/c/1 containerName=web status=RUNNING
	SubmitAttachmentStateChanges InvalidParameterException cluster=c attachments=[{"attachmentArn":"lost","status":"ATTACHED"}]
	SubmitAttachmentStateChanges AccessDeniedException STRANGER cluster=c attachments=[{"attachmentArn":"ARN/attachment/a","status":"ATTACHED"}]
`
