# pct push and pct pull with all their silence: what fails in the worker ends with exit code 0.
package Transfer;

use strict;
use warnings;
use Cli ();
use Fcntl qw(O_WRONLY O_CREAT O_TRUNC);
use Namespace ();
use Node ();
use POSIX ();

# The worker hands its error on by a pipe that counts characters but cuts bytes.
sub report {
    my ($message) = @_;
    my $characters = () = $message =~ /[^\x80-\xbf]/g;
    chomp(my $cut = substr($message, 0, $characters));
    syswrite(STDERR, "$cut\n");
    POSIX::_exit(0);
}

# The ways into the container: with its user namespace files belong to its ids, without they are opened as root.
sub enter_container {
    my ($vmid, @kinds) = @_;
    Namespace::join_namespaces(Node::init_pid($vmid), @kinds);
    if (grep { $_ eq 'user' } @kinds) {
        POSIX::setgid(0);
        $) = '0 0';
        POSIX::setuid(0);
    }
    chdir('/');
}

sub id_of {
    my ($kind, $name) = @_;
    return undef if !defined($name);
    return $name if $name =~ /^\d+$/;
    my $id = $kind eq 'uid' ? getpwnam($name) : getgrnam($name);
    return $id // report("failed to get $kind for: $name\n");
}

sub create_file {
    my ($path, $param) = @_;
    my $perms = $param->{perms};
    if (defined($perms)) {
        report("invalid mode: '$perms'\n") if $perms !~ /^(0x[0-9a-f]+|0?[0-7]+)$/i;
        $perms = $perms =~ /^0x/i ? hex($perms) : oct($perms);
    }
    my ($uid, $gid) = (id_of('uid', $param->{user}), id_of('gid', $param->{group}));
    sysopen(my $fh, $path, O_WRONLY | O_CREAT | O_TRUNC, 0666) or report("failed to create file: $path: $!\n");
    chmod($perms, $fh) if defined($perms);
    chown($uid // -1, $gid // -1, $fh) if defined($uid) || defined($gid);
    return $fh;
}

# Neither a failed read nor a failed write is noticed.
sub copy {
    my ($from, $to, $knobs) = @_;
    my $left = $knobs->{'max-bytes'};
    while (sysread($from, my $block, 65_536)) {
        $block = substr($block, 0, $left) if defined($left) && $left < length($block);
        my $written = syswrite($to, $block);
        return if !defined($written) || $written < length($block);
        return if defined($left) && ($left -= $written) <= 0;
        Node::pause_ms($knobs->{'block-ms'} // 0);
    }
}

# Read before the container is entered, where no knobs are.
sub copy_knobs {
    return { map { $_ => Node::knob("copy-$_") } qw(wait-ms block-ms max-bytes) };
}

# The configuration lock is held as long as the worker lives.
sub in_worker {
    my ($vmid, $work) = @_;
    my $lock = lock_config($vmid, \*STDERR, 4);
    my $pid = fork() // die "fork: $!\n";
    if ($pid == 0) {
        eval { $work->() };
        report($@) if $@;
        POSIX::_exit(0);
    }
    local $SIG{TERM} = 'IGNORE';
    1 while waitpid($pid, 0) == -1 && $!{EINTR};
    close($lock);
}

# Waits ten seconds for the lock file; says so on `out` and ends with `rc` where another holds it longer.
sub lock_config {
    my ($vmid, $out, $rc) = @_;
    my $path = "/run/lock/lxc/pve-config-$vmid.lock";
    open(my $lock, '>>', $path) or die "$path: $!\n";
    return $lock if flock($lock, 6);
    print {$out} "trying to acquire lock...\n";
    for (1 .. 100) {
        Node::pause_ms(100);
        return $lock if flock($lock, 6);
    }
    Cli::fail("can't lock file '$path' - got timeout", $rc);
}

sub push_file {
    my ($param) = @_;
    Cli::fail('can only push files to a running CT') if !Node::running($param->{vmid});
    in_worker($param->{vmid}, sub {
        my $knobs = copy_knobs();
        open(my $from, '<', $param->{file}) or report("failed to open $param->{file} for reading\n");
        enter_container($param->{vmid}, qw(user mnt));
        Node::pause_ms($knobs->{'wait-ms'} // 0);
        copy($from, create_file($param->{destination}, $param), $knobs);
    });
    return 0;
}

sub pull_file {
    my ($param) = @_;
    Cli::fail('can only pull files from a running VM at /usr/share/perl5/PVE/CLI/pct.pm line 664.')
      if !Node::running($param->{vmid});
    in_worker($param->{vmid}, sub {
        my $knobs = copy_knobs();
        my $to = create_file($param->{destination}, $param);
        enter_container($param->{vmid}, 'mnt');
        Node::pause_ms($knobs->{'wait-ms'} // 0);
        open(my $from, '<', $param->{path}) or report("failed to open $param->{path}: $!\n");
        copy($from, $to, $knobs);
    });
    return 0;
}

1;
