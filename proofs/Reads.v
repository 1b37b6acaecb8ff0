(** Reads: the rewrites of the graph, as facts about partial functions of positions.

    A value is a partial function of the position, [None] is ⊥. A pointer is a value that is a position. In a causal program position i
    sees the positions up to i, so a read through a pointer gives what is there if the pointer is at most i, and ⊥ otherwise.
*)
From Coq Require Import Arith Lia.

Definition value (A : Type) : Type := nat -> option A.

(** x.at(p): the value at the position that p gives. *)
Definition read {A : Type} (p : value nat) (x : value A) : value A :=
  fun i => match p i with Some j => if j <=? i then x j else None | None => None end.

Definition never_ahead (p : value nat) : Prop := forall i j, p i = Some j -> j <= i.

(** Chains of reads flatten however they are bracketed, if no pointer points ahead. *)
Theorem reads_are_associative :
  forall (A : Type) (p q : value nat) (x : value A), never_ahead p -> never_ahead q ->
  forall i, read (read p q) x i = read p (read q x) i.
Proof.
  intros A p q x P Q i. unfold read. destruct (p i) as [j|] eqn:E; [|reflexivity].
  rewrite (proj2 (Nat.leb_le j i)) by (apply P, E). destruct (q j) as [k|] eqn:K; [|reflexivity].
  specialize (P _ _ E). specialize (Q _ _ K).
  rewrite (proj2 (Nat.leb_le k i)), (proj2 (Nat.leb_le k j)) by lia. reflexivity.
Qed.

Theorem reads_point_never_ahead :
  forall (p q : value nat), never_ahead p -> never_ahead q -> never_ahead (read p q).
Proof.
  intros p q P Q i k. unfold read. destruct (p i) as [j|] eqn:E; [|discriminate].
  destruct (Nat.leb_spec j i); [|discriminate]. intros K. apply Q in K. lia.
Qed.

(** It does need that: where q points ahead of where it stands, the two sides differ. *)
Theorem pointers_ahead_do_not_associate :
  exists (p q : value nat) (x : value nat) (i : nat), never_ahead p /\ read (read p q) x i <> read p (read q x) i.
Proof.
  exists (fun i => Some 0), (fun i => Some 1), (fun i => Some i), 1. split.
  - intros i j H. injection H as <-. lia.
  - discriminate.
Qed.

(** What is computed from values that are read is read from what is computed: f(read(p, x), read(p, y)) = read(p, f(x, y)). *)
Definition both {A B C : Type} (f : A -> B -> option C) (x : value A) (y : value B) : value C :=
  fun i => match x i, y i with Some a, Some b => f a b | _, _ => None end.

Theorem strict_operations_move_into_reads :
  forall (A B C : Type) (f : A -> B -> option C) (p : value nat) (x : value A) (y : value B) (i : nat),
  both f (read p x) (read p y) i = read p (both f x y) i.
Proof. intros. unfold both, read. destruct (p i) as [j|]; [|reflexivity]. destruct (j <=? i); reflexivity. Qed.

(** The value one place earlier, ⊥ at the first. *)
Definition previous {A : Type} (x : value A) : value A := fun i => match i with O => None | S j => x j end.

(** A selector says which keys may be picked for position i; the latest such position. *)
Fixpoint latest (n : nat) (match_at : nat -> bool) : option nat :=
  match n with O => None | S m => if match_at m then Some m else latest m match_at end.

Definition equal_at {A : Type} (eqb : A -> A -> bool) (q k : option A) : bool :=
  match q, k with Some a, Some b => eqb a b | _, _ => false end.

(** match: the latest t <= i whose key equals the query; the strict match: the latest t < i. *)
Definition causal_match {A : Type} (eqb : A -> A -> bool) (q k : value A) : value nat :=
  fun i => latest (S i) (fun t => equal_at eqb (q i) (k t)).

Definition strict_match {A : Type} (eqb : A -> A -> bool) (q k : value A) : value nat :=
  fun i => latest i (fun t => equal_at eqb (q i) (k t)).

Definition step_forward (p : value nat) : value nat := fun i => option_map S (p i).

(** A match against previous keys is the strict match one place earlier, then one step forward. *)
Theorem match_of_previous_keys :
  forall (A : Type) (eqb : A -> A -> bool) (q k : value A) (i : nat),
  causal_match eqb q (previous k) i = step_forward (strict_match eqb q k) i.
Proof.
  intros A eqb q k i. unfold causal_match, strict_match, step_forward.
  generalize (q i). intros a. induction i as [|i IH].
  - simpl. destruct a; reflexivity.
  - transitivity (if equal_at eqb a (k i) then Some (S i) else latest (S i) (fun t => equal_at eqb a (previous k t))); [reflexivity|].
    rewrite IH. cbn [latest]. destruct (equal_at eqb a (k i)); reflexivity.
Qed.

(** The position of a match against previous keys, read as the value before it, is the strict match's own position. *)
Theorem previous_undoes_the_step :
  forall (A : Type) (x : value A) (p : value nat) (i : nat), (forall j, p i = Some j -> j < i) ->
  read (step_forward p) (previous x) i = read p x i.
Proof.
  intros A x p i H. unfold read, step_forward. destruct (p i) as [j|]; [|reflexivity]. specialize (H j eq_refl).
  cbn [option_map]. rewrite (proj2 (Nat.leb_le (S j) i)), (proj2 (Nat.leb_le j i)) by lia. reflexivity.
Qed.

Theorem strict_matches_lie_behind :
  forall (A : Type) (eqb : A -> A -> bool) (q k : value A) (i j : nat), strict_match eqb q k i = Some j -> j < i.
Proof.
  intros A eqb q k i j. unfold strict_match. generalize (fun t => equal_at eqb (q i) (k t)). intros f.
  induction i as [|i IH]; simpl; [discriminate|]. destruct (f i); intros H; [injection H as <-; lia|]. specialize (IH H). lia.
Qed.
