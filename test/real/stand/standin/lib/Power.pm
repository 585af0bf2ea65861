# pct start, stop, shutdown and reboot: they really start and end the container.
package Power;

use strict;
use warnings;
use Cli qw(fail);
use Node ();
use Transfer ();

my $poll_ms = 20;

sub refuse_if_locked {
    my ($conf) = @_;
    fail("CT is locked ($conf->{lock})") if defined($conf->{lock});
}

# Whether the container is gone within that time, its monitor included.
sub gone_within {
    my ($vmid, $wait_ms) = @_;
    for (my $waited = 0; -e "/run/lxc/$vmid"; $waited += $poll_ms) {
        return 0 if $waited >= $wait_ms;
        Node::pause_ms($poll_ms);
    }
    return 1;
}

sub launch {
    my ($vmid) = @_;
    return if system('lxc-start', '-n', $vmid) == 0;
    fail("startup for container '$vmid' failed");
}

sub start {
    my ($param) = @_;
    my $vmid = $param->{vmid};
    my $conf = Node::conf('lxc', $vmid, 255);
    fail("CT $vmid already running") if Node::running($vmid);
    refuse_if_locked($conf) if !$param->{skiplock};
    fail("you can't start a CT if it's a template") if $conf->{template};
    my $lock = Transfer::lock_config($vmid, \*STDOUT, 255);
    launch($vmid);
    return 0;
}

sub stop {
    my ($param) = @_;
    my $vmid = $param->{vmid};
    fail("CT $vmid not running") if !Node::running($vmid);
    refuse_if_locked(Node::conf('lxc', $vmid, 255)) if !$param->{skiplock};
    kill('KILL', Node::init_pid($vmid));
    gone_within($vmid, 10_000) or fail("command 'lxc-stop -n $vmid --kill' failed: got timeout");
    return 0;
}

# A container that outlives the timeout is given five seconds more; gone by then, it counts as shut down.
sub end_gently {
    my ($vmid, $timeout, $force) = @_;
    kill('TERM', Node::monitor_pid($vmid));
    return if gone_within($vmid, $timeout * 1000);
    if ($force) {
        kill('KILL', Node::init_pid($vmid) // ());
        return if gone_within($vmid, 5_000);
    }
    print "lxc-stop: $vmid: ../src/lxc/commands_utils.c: lxc_cmd_sock_rcv_state: 49 ",
      "Resource temporarily unavailable - Failed to receive message\n",
      "command 'lxc-stop -n $vmid --nokill --timeout $timeout' failed: exit code 1\n";
    gone_within($vmid, 5_000) or fail('container did not stop');
}

sub shutdown {
    my ($param) = @_;
    my $vmid = $param->{vmid};
    fail("CT $vmid not running") if !Node::running($vmid);
    refuse_if_locked(Node::conf('lxc', $vmid, 255));
    end_gently($vmid, $param->{timeout} // 60, $param->{forceStop});
    return 0;
}

# The lock is not asked before the stop, only by the start that follows.
sub reboot {
    my ($param) = @_;
    my $vmid = $param->{vmid};
    fail("VM $vmid not running") if !Node::running($vmid);
    end_gently($vmid, $param->{timeout} // 60, 1);
    launch($vmid);
    return 0;
}

1;
