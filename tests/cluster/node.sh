#!/usr/bin/env bash
# A cluster of one node, all of it in namespaces of its own that nothing leads out of: call it within
# `unshare --net --mount --pid --fork --kill-child`. It prints `ready`, and lives until its standard input closes.
#
#   node.sh FOLDER KUBERNETES IMAGE.tar...
#
# FOLDER is where its state goes, and `kubeconfig` is there; KUBERNETES is the program made from ./kubernetes.
set -euo pipefail

folder=$1 kubernetes=$2
shift 2
address=10.0.0.1 # the node's, with the API server and DNS
services=10.96.0.0/16 pods=10.244.0.0/24
export KUBECONFIG=$folder/kubeconfig

mount --make-rshared /
mount -t proc proc /proc
rm -rf "$folder"
mkdir -p "$folder"/{cni,containerd,etcd,kubelet,logs,state}
cd "$folder"

until_it_works() { # until_it_works COMMAND...: a part that never comes up must not keep the test for ever
    local end=$((SECONDS + 300))
    until "$@" &>/dev/null; do
        ((SECONDS < end)) || { echo "node.sh: after five minutes this fails still: $* (logs: $folder/*.log)" >&2; exit 1; }
        sleep 0.3
    done
}

is_ready() { [[ $(kubectl get node node) == *' Ready'* ]]; }

network() {
    ip link set lo up
    ip link add node type bridge
    ip address add "$address/24" dev node
    ip link set node up
    ip route add "$services" dev node src "$address"
    sysctl --quiet --write net.ipv4.ip_forward=1
    cat >cni/10-pods.conflist <<END
{"cniVersion": "0.4.0", "name": "pods", "plugins": [{"type": "bridge", "bridge": "pods", "isGateway": true, "hairpinMode": true,
 "ipam": {"type": "host-local", "ranges": [[{"subnet": "$pods"}]], "dataDir": "$folder/ipam", "routes": [{"dst": "0.0.0.0/0"}]}}]}
END
}

containers() { # containers IMAGE.tar...
    local image
    cat >containerd.toml <<END
version = 2
root = "$folder/containerd"
state = "$folder/state"
[grpc]
address = "$folder/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "docker.io/library/pause:1"
restrict_oom_score_adj = true # who may not lower it could start no pod
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "$folder/cni"
END
    containerd --config containerd.toml &>containerd.log &
    until_it_works ctr --address "$folder/containerd.sock" version
    for image in "$@"; do
        ctr --address "$folder/containerd.sock" --namespace k8s.io images import "$image" >/dev/null
    done
}

control_plane() {
    openssl genrsa -out service-accounts.key 2048 2>/dev/null
    echo 'of-the-test,admin,admin,system:masters' >tokens.csv
    cat >kubeconfig <<END
apiVersion: v1
kind: Config
clusters: [{name: test, cluster: {server: "https://$address:6443", insecure-skip-tls-verify: true}}]
users: [{name: admin, user: {token: of-the-test}}]
contexts: [{name: test, context: {cluster: test, user: admin}}]
current-context: test
END
    "$kubernetes" etcd --data-dir etcd --unsafe-no-fsync --listen-client-urls http://127.0.0.1:2379 \
        --advertise-client-urls http://127.0.0.1:2379 --listen-peer-urls http://127.0.0.1:2380 &>etcd.log &
    "$kubernetes" apiserver --etcd-servers http://127.0.0.1:2379 --bind-address "$address" --cert-dir certificates \
        --service-account-key-file service-accounts.key --service-account-signing-key-file service-accounts.key \
        --service-account-issuer https://kubernetes.default.svc --authorization-mode Node,RBAC --token-auth-file tokens.csv \
        --service-cluster-ip-range "$services" &>apiserver.log &
    until_it_works kubectl get --raw /readyz
    "$kubernetes" controllers --kubeconfig kubeconfig --service-account-private-key-file service-accounts.key \
        --leader-elect=false --bind-address 127.0.0.1 &>controllers.log &
    "$kubernetes" scheduler --kubeconfig kubeconfig --leader-elect=false --bind-address 127.0.0.1 &>scheduler.log &
    printf '%s:53 {\n  errors\n  kubernetes cluster.local {\n    endpoint https://%s:6443\n    kubeconfig %s test\n  }\n}\n' \
        . "$address" "$KUBECONFIG" >Corefile
    "$kubernetes" dns -conf Corefile &>dns.log &
}

node() {
    cat >kubelet.yaml <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
containerRuntimeEndpoint: unix://$folder/containerd.sock
cgroupDriver: cgroupfs
failSwapOn: false
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
address: 127.0.0.1
enforceNodeAllocatable: []
podLogsDir: $folder/logs
clusterDNS: [$address]
clusterDomain: cluster.local
evictionHard: {memory.available: 50Mi, nodefs.available: 1%, imagefs.available: 1%}
# Images come from this machine alone: one that the kubelet removes to make room could not be had again.
imageGCHighThresholdPercent: 100
END
    cat >proxy.yaml <<END
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
clientConnection: {kubeconfig: $folder/kubeconfig}
clusterCIDR: $pods
conntrack: {maxPerCore: 0}
END
    "$kubernetes" kubelet --config kubelet.yaml --kubeconfig kubeconfig --root-dir "$folder/kubelet" --hostname-override node \
        --node-ip "$address" &>kubelet.log &
    "$kubernetes" proxy --config proxy.yaml --hostname-override node &>proxy.log &
    until_it_works is_ready
}

network
containers "$@"
control_plane
node
echo ready
cat >/dev/null
