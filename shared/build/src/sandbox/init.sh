# The first process of a sandbox: process 1 of its own pid, network, mount, ipc and uts namespaces. It makes a root that
# holds the machine's programs (read-only), the job's directory and the hub's image storage, and nothing else of the host:
# whatever a build finds a way to mount or to read, it is not a file of the factory's.
#
#   init.sh JOB STORAGE SCOPE TEMPORARY CGROUPS -- COMMAND...
#
# SCOPE: the name of its cache mounts.
# TEMPORARY: `disk`, or how many bytes of memory the job's temporary files may take.
# CGROUPS: directories to join, separated by colons.
set -eu
job=$1 storage=$2 scope=$3 temporary=$4 cgroups=$5
shift 6

IFS=:
for group in $cgroups; do echo 0 >"$group/cgroup.procs"; done
unset IFS
ip link set lo up

mount --make-rprivate /
root=$job/root
mkdir -p "$root"
mount -t tmpfs -o mode=755,size=16m,nosuid platen "$root"
cd "$root"
mkdir -p dev etc home job proc root run storage sys tmp usr var
for name in bin sbin lib lib32 lib64 libx32; do
    if [ -L "/$name" ]; then
        cp -P "/$name" "$name"
    elif [ -d "/$name" ]; then
        mkdir "$name"
        mount --rbind "/$name" "$name"
        mount -o remount,bind,ro "$name"
    fi
done
mount --bind /usr usr
mount -o remount,bind,ro,nodev usr
# What programs look up about the machine, and nothing that is anybody's own.
for name in alternatives ca-certificates ssl/certs ssl/openssl.cnf pki ld.so.cache ld.so.conf ld.so.conf.d localtime \
    nsswitch.conf protocols services mime.types; do
    [ -e "/etc/$name" ] || continue
    mkdir -p "etc/$(dirname "$name")"
    cp -a "/etc/$name" "etc/$name"
done
printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n' >etc/passwd
printf 'root:x:0:\nnogroup:x:65534:\n' >etc/group
printf '127.0.0.1 localhost\n::1 localhost\n' >etc/hosts
cp "$job/resolv.conf" etc/resolv.conf
mkdir -p etc/containers
cp "$job"/containers/* etc/containers/

for name in null zero full random urandom; do
    : >"dev/$name"
    mount --bind "/dev/$name" "dev/$name"
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount -t tmpfs -o mode=1777,size=64m,nosuid,nodev shm dev/shm
mount -t proc -o nosuid,nodev,noexec proc proc
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs sys

mkdir -p "$job/work"
mount --bind "$job/work" job
mount --bind "$storage" storage
mkdir -p job/tmp
chmod 1777 tmp
case $temporary in
disk) mount --bind job/tmp tmp ;;
*) mount -t tmpfs -o "mode=1777,size=$temporary,nosuid,nodev" tmp tmp ;;
esac
ln -s ../tmp var/tmp
# Where buildah keeps what `RUN --mount=type=cache` asks for: by either name that its versions have for it.
mkdir -p "storage/cache/$scope"
for name in buildah-cache buildah-cache-0; do
    mkdir -p "tmp/$name"
    mount --bind "storage/cache/$scope" "tmp/$name"
done

mkdir host
pivot_root . host
cd /
umount -l /host
rmdir /host

echo ready
# Whoever waits for the word has opened the doors of this network by now.
read -r _
exec "$@" </dev/null
