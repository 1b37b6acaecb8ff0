(** Functions of integers as hidden units: second differences, steps, gates, and the other gadgets of compiler/ops.

    Everything here is arithmetic of integers, which the rule of rounding (Sums.v) makes the arithmetic of the model.
    [relu_of_reals] says that ReLU of real numbers does the same.
*)
From Coq Require Import ZArith Lia Reals Lra List.
Open Scope Z_scope.

Definition relu (x : Z) : Z := Z.max 0 x.

Theorem relu_of_reals : forall x : Z, IZR (relu x) = Rmax 0 (IZR x).
Proof.
  intros x. unfold relu. destruct (Z.max_spec 0 x) as [[L ->]|[L ->]].
  - rewrite Rmax_right; [reflexivity|apply IZR_le; lia].
  - rewrite Rmax_left; [reflexivity|apply IZR_le; lia].
Qed.

(** g(k) + g(k + 1) + ..., n numbers. *)
Fixpoint sum_from (k : Z) (n : nat) (g : Z -> Z) : Z :=
  match n with O => 0 | S m => sum_from k m g + g (k + Z.of_nat m) end.

Definition second_difference (f : Z -> Z) (k : Z) : Z := f (k + 1) - 2 * f k + f (k - 1).

(** A function of the integers lo..hi is its first value, its first slope, and one unit for each second difference. *)
Theorem second_differences :
  forall (f : Z -> Z) (lo hi x : Z), lo <= x <= hi ->
  f x = f lo + (f (lo + 1) - f lo) * relu (x - lo)
        + sum_from (lo + 1) (Z.to_nat (hi - lo - 1)) (fun k => second_difference f k * relu (x - k)).
Proof.
  intros f lo hi x [L H].
  assert (G : forall n,
    f lo + (f (lo + 1) - f lo) * relu (x - lo) + sum_from (lo + 1) n (fun k => second_difference f k * relu (x - k))
    = if x <=? lo + Z.of_nat n + 1 then f x
      else f (lo + Z.of_nat n) + (f (lo + Z.of_nat n + 1) - f (lo + Z.of_nat n)) * (x - lo - Z.of_nat n)).
  { induction n as [|n IH].
    - simpl sum_from. simpl Z.of_nat. rewrite !Z.add_0_r. unfold relu. rewrite Z.max_r by lia.
      destruct (Z.leb_spec x (lo + 1)) as [A|A].
      + assert (x = lo \/ x = lo + 1) as [->| ->] by lia; [ring|].
        replace (lo + 1 - lo) with 1 by ring. ring.
      + ring.
    - cbn [sum_from]. rewrite Z.add_assoc, IH. rewrite Nat2Z.inj_succ. unfold second_difference, relu.
      set (m := lo + Z.of_nat n) in *.
      replace (lo + 1 + Z.of_nat n) with (m + 1) by (unfold m; ring).
      replace (lo + Z.succ (Z.of_nat n)) with (m + 1) by (unfold m; ring).
      replace (m + 1 - 1) with m by ring.
      destruct (Z.leb_spec x (m + 1)) as [A|A].
      + rewrite Z.max_l by lia. destruct (Z.leb_spec x (m + 1 + 1)); [ring|lia].
      + rewrite Z.max_r by lia. destruct (Z.leb_spec x (m + 1 + 1)) as [B|B].
        * assert (x = m + 2) as -> by lia. replace (m + 1 + 1) with (m + 2) by ring.
          unfold m. ring.
        * unfold m. ring. }
  rewrite G. destruct (Z.leb_spec x (lo + Z.of_nat (Z.to_nat (hi - lo - 1)) + 1)); [reflexivity|lia].
Qed.

(** The step [x >= k] of an integer. *)
Theorem step_of_two_units : forall x k : Z, relu (x - k + 1) - relu (x - k) = if k <=? x then 1 else 0.
Proof. intros; unfold relu; destruct (Z.leb_spec k x); lia. Qed.

(** Equality of two integers, d their difference. *)
Theorem equality_of_three_units : forall d : Z, relu (d + 1) - 2 * relu d + relu (d - 1) = if d =? 0 then 1 else 0.
Proof. intros; unfold relu; destruct (Z.eqb_spec d 0); lia. Qed.

(** The gate: with m values missing and M at least what the unit can be, the unit is itself for m = 0 and silent otherwise. *)
Theorem gate_is_silent :
  forall pre M m : Z, 0 <= m -> 0 <= M -> pre <= M -> relu (pre - M * m) = if m =? 0 then relu pre else 0.
Proof.
  intros pre M m Hm HM H. unfold relu. destruct (Z.eqb_spec m 0) as [->|N].
  - now rewrite Z.mul_0_r, Z.sub_0_r.
  - assert (M * 1 <= M * m) by (apply Z.mul_le_mono_nonneg_l; lia). lia.
Qed.

(** max(a, b) = b + relu(a - b), min(a, b) = b - relu(b - a), and b itself as a unit where it may be negative. *)
Theorem extremes_of_units :
  forall a b low : Z, 0 <= b + low ->
  relu (b + low) - low + relu (a - b) = Z.max a b /\ relu (b + low) - low - relu (b - a) = Z.min a b.
Proof. intros; unfold relu; lia. Qed.

(** Cutting to first..last: a jump, a slope of 1, a fall; what is outside becomes 0. *)
Theorem clip_of_units :
  forall z k first last : Z, first <= last ->
  (first + k) * (relu (z - first + 1) - relu (z - first)) + relu (z - first) - relu (z - last)
    - (last + k) * (relu (z - last) - relu (z - last - 1))
  = if ((first <=? z) && (z <=? last))%bool then z + k else 0.
Proof.
  intros. unfold relu.
  destruct (Z.leb_spec first z), (Z.leb_spec z last); simpl; try lia.
  - rewrite (Z.max_r 0 (z - first + 1)), (Z.max_r 0 (z - first)) by lia.
    rewrite (Z.max_l 0 (z - last)), (Z.max_l 0 (z - last - 1)) by lia. ring.
  - rewrite !Z.max_r by lia. ring.
Qed.

Fixpoint distance (z j : list Z) : Z :=
  match z, j with x :: z', y :: j' => (x - y) * (x - y) + distance z' j' | _, _ => 0 end.

(** A table's unit is 1 at its entry's place and 0 at every other point of integers. *)
Theorem table_unit : forall z j : list Z, length z = length j ->
  (z = j -> relu (1 - distance z j) = 1) /\ (z <> j -> relu (1 - distance z j) = 0).
Proof.
  assert (P : forall z j, 0 <= distance z j).
  { induction z as [|x z IH]; intros [|y j]; simpl; try lia.
    specialize (IH j). generalize (Z.square_nonneg (x - y)). lia. }
  assert (S : forall z, distance z z = 0) by (induction z; simpl; lia).
  assert (D : forall z j, length z = length j -> z <> j -> 1 <= distance z j).
  { induction z as [|x z IH]; intros [|y j] E N; simpl in *; try discriminate; [congruence|].
    destruct (Z.eq_dec x y) as [->|U].
    - specialize (IH j). assert (z <> j) by congruence. assert (length z = length j) by lia. specialize (IH H0 H). lia.
    - specialize (P z j). assert (x - y <= -1 \/ 1 <= x - y) by lia. nia. }
  intros z j E; split; intros H; unfold relu.
  - subst. rewrite S. reflexivity.
  - specialize (D z j E H). lia.
Qed.
