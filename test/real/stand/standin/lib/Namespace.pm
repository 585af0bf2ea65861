# Linux namespaces and private roots, by the bare system calls that perl-base can make.
package Namespace;

use strict;
use warnings;
use Config;
use Exporter 'import';

our @EXPORT_OK = qw(CONTAINER NODE clone_into unshare join_namespaces private_root loopback_up);

use constant {
    NEWNS   => 0x00020000,
    NEWUTS  => 0x04000000,
    NEWIPC  => 0x08000000,
    NEWUSER => 0x10000000,
    NEWPID  => 0x20000000,
    NEWNET  => 0x40000000,
};
use constant NODE      => NEWNS | NEWUTS | NEWIPC | NEWPID | NEWNET;
use constant CONTAINER => NEWNS | NEWUTS | NEWIPC | NEWPID | NEWUSER;

use constant {
    MS_RDONLY  => 1,
    MS_REMOUNT => 32,
    MS_BIND    => 4096,
    MS_REC     => 16384,
    MS_PRIVATE => 1 << 18,
    MNT_DETACH => 2,
};

# POSIX and Socket would cost every lxc-attach more than the original takes in all.
use constant { SIGCHLD => 17, AF_INET => 2, SOCK_DGRAM => 2 };

# Numbers of the kernel's tables arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h.
my %number_on = (
    x86_64 => {
        clone => 56, pivot_root => 155, mount => 165, umount2 => 166, sethostname => 170, unshare => 272, setns => 308,
    },
    aarch64 => {
        umount2 => 39, mount => 40, pivot_root => 41, unshare => 97, sethostname => 161, clone => 220, setns => 268,
    },
);

# Strings are copied, for syscall() takes none that is read-only.
sub call {
    my ($name, @args) = @_;
    my ($machine) = $Config{archname} =~ /^(\w+?)-/;
    my $number = ($number_on{$machine} // {})->{$name} // die "no number of $name on $machine\n";
    my $result = syscall($number, @args);
    die "$name(@args): $!\n" if $result == -1;
    return $result;
}

sub mount {
    my ($source, $target, $type, $flags, $data) = @_;
    call('mount', "$source", "$target", "$type", $flags + 0, $data // 0);
}

sub unshare { call('unshare', $_[0] + 0) }

# Forks straight into new namespaces: the child is the first process of its process namespace.
sub clone_into {
    my ($flags) = @_;
    return call('clone', $flags | SIGCHLD, 0, 0, 0, 0);
}

# Joins the namespaces of a process; all are opened before the first is entered, for /proc changes with them.
sub join_namespaces {
    my ($pid, @kinds) = @_;
    my @open = map { open(my $fh, '<', "/proc/$pid/ns/$_") or die "/proc/$pid/ns/$_: $!\n"; $fh } @kinds;
    call('setns', fileno($_) + 0, 0) for @open;
}

sub loopback_up {
    socket(my $any, AF_INET, SOCK_DGRAM, 0) or die "socket: $!\n";
    my ($siocsifflags, $iff_up) = (0x8914, 1);
    ioctl($any, $siocsifflags, pack('a16 s x22', 'lo', $iff_up)) or die "lo: $!\n";
}

# In a user namespace the mount keeps the flags of its source, and they cannot be changed there.
sub bind_as_it_is {
    my ($source, $target) = @_;
    mount($source, $target, 'none', MS_BIND | MS_REC);
}

sub bind_read_only {
    my ($source, $target) = @_;
    bind_as_it_is($source, $target);
    mount('none', $target, 'none', MS_BIND | MS_REMOUNT | MS_RDONLY);
}

sub write_file {
    my ($path, $text, $mode) = @_;
    open(my $fh, '>', $path) or die "$path: $!\n";
    print {$fh} $text;
    close($fh) or die "$path: $!\n";
    chmod($mode // 0644, $path);
}

# Makes `at` the root of this mount namespace: a tmpfs of its own, over a /usr that cannot be written.
# Options: at, usr, bind (one of the two above), hostname, size, passwd, group, shadow, before (run before the pivot).
sub private_root {
    my (%is) = @_;
    my $root = $is{at};
    mount('none', '/', 'none', MS_REC | MS_PRIVATE);
    mount('tmpfs', $root, 'tmpfs', 0, "mode=755,size=$is{size}");
    mkdir("$root/$_") for qw(usr etc root tmp var var/tmp var/lib var/log run home proc dev dev/pts dev/shm sys mnt opt srv);
    chmod(0700, "$root/root");
    chmod(01777, "$root/tmp", "$root/var/tmp", "$root/dev/shm");
    -l "/$_" && symlink(readlink("/$_"), "$root/$_") for qw(bin sbin lib lib64 lib32);
    $is{bind}->($is{usr}, "$root/usr");
    devices($root);
    mount('proc', "$root/proc", 'proc', 0);
    settings($root, %is);
    $is{before}->($root) if $is{before};
    chdir($root) or die "$root: $!\n";
    call('pivot_root', '.', '.');
    call('umount2', '.', MNT_DETACH);
    chdir('/');
    call('sethostname', "$is{hostname}", length($is{hostname}));
}

sub devices {
    my ($root) = @_;
    for my $device (qw(null zero full random urandom tty)) {
        write_file("$root/dev/$device", '');
        mount("/dev/$device", "$root/dev/$device", 'none', MS_BIND);
    }
    mount('devpts', "$root/dev/pts", 'devpts', 0, 'newinstance,ptmxmode=0666,mode=0620');
    symlink('pts/ptmx', "$root/dev/ptmx");
    symlink('/proc/self/fd', "$root/dev/fd");
    symlink("/proc/self/fd/$_->[0]", "$root/dev/$_->[1]") for [0, 'stdin'], [1, 'stdout'], [2, 'stderr'];
}

sub settings {
    my ($root, %is) = @_;
    write_file("$root/etc/hostname", "$is{hostname}\n");
    write_file("$root/etc/hosts", "127.0.0.1 localhost\n");
    write_file("$root/etc/passwd", $is{passwd});
    write_file("$root/etc/group", $is{group});
    write_file("$root/etc/shadow", $is{shadow}, 0600);
    for my $shared (qw(alternatives pam.d security)) {
        next if !-d "/etc/$shared";
        mkdir("$root/etc/$shared");
        $is{bind}->("/etc/$shared", "$root/etc/$shared");
    }
}

1;
