(** How far a sum may be off, in any order: every addition is off by at most eps of its result.

    Of n products that are not 0, each at most B in size, the computed sum is off by at most eps·G·B·(n(n + 3)/2 - 1) where (1 + eps)^n <= G: n
    for the products' own rounding, and at most 2 + 3 + ... + n for the sums on the way, whatever the order. What is 0 adds nothing.
*)
From Coq Require Import Reals List ZArith Lia Lra Psatz Permutation.
From Flocq Require Import Core Relative.
From Headwork Require Import Sums.
Open Scope R_scope.

Definition accurate (eps : R) (rnd : R -> R) : Prop :=
  (forall x, Rabs (rnd x - x) <= eps * Rabs x) /\ (forall x, rnd (rnd x) = rnd x).

Definition nonzero (l : list R) : nat := length (filter (fun x => if Req_EM_T x 0 then false else true) l).

Lemma nonzero_app : forall a b, nonzero (a ++ b) = (nonzero a + nonzero b)%nat.
Proof. intros; unfold nonzero. now rewrite filter_app, app_length. Qed.

Lemma nonzero_permutation : forall a b, Permutation a b -> nonzero a = nonzero b.
Proof.
  induction 1; unfold nonzero in *; simpl; auto; try congruence.
  - destruct (Req_EM_T x 0); simpl; congruence.
  - destruct (Req_EM_T x 0), (Req_EM_T y 0); reflexivity.
Qed.

Lemma nonzero_zeros : forall l, Forall (fun z => z = 0) l -> nonzero l = 0%nat.
Proof. induction 1 as [|x l -> _ IH]; [reflexivity|]. unfold nonzero in *. simpl. destruct (Req_EM_T 0 0); [exact IH|congruence]. Qed.

Lemma nonzero_le_length : forall l, (nonzero l <= length l)%nat.
Proof. induction l as [|x l IH]; unfold nonzero in *; simpl; [lia|]. destruct (Req_EM_T x 0); simpl; lia. Qed.

Lemma power_bound : forall eps n, 0 <= eps -> (1 + eps) ^ n * (1 - INR n * eps) <= 1.
Proof.
  intros eps n H. induction n as [|n IH].
  - simpl. lra.
  - rewrite S_INR. simpl. assert (0 < (1 + eps) ^ n) by (apply pow_lt; lra). assert (0 <= INR n) by apply pos_INR.
    eapply Rle_trans; [|exact IH].
    replace ((1 + eps) * (1 + eps) ^ n * (1 - (INR n + 1) * eps)) with ((1 + eps) ^ n * ((1 + eps) * (1 - (INR n + 1) * eps))) by ring.
    apply Rmult_le_compat_l; [lra|]. nra.
Qed.

Section sums.
Context (eps B G : R) (rnd : R -> R) (M : nat).
Context (He : 0 <= eps) (HB : 0 <= B) (A : accurate eps rnd) (HG : (1 + eps) ^ M <= G).

Lemma rounded_zero : rnd 0 = 0.
Proof. destruct A as [E _]. specialize (E 0). rewrite Rabs_R0, Rmult_0_r in E. revert E. unfold Rabs. destruct (Rcase_abs _); lra. Qed.

Lemma rounded_size : forall x, Rabs (rnd x) <= (1 + eps) * Rabs x.
Proof.
  intros x. destruct A as [E _]. specialize (E x).
  replace (rnd x) with ((rnd x - x) + x) by ring. eapply Rle_trans; [apply Rabs_triang|]. lra.
Qed.

Lemma computed_is_rounded : forall s, exists x, computed rnd s = rnd x.
Proof. destruct s; simpl; eauto. Qed.

Lemma computed_fixed : forall s, rnd (computed rnd s) = computed rnd s.
Proof. intros s. destruct (computed_is_rounded s) as [x ->]. apply A. Qed.

Lemma power_monotone : forall a b, (a <= b)%nat -> (1 + eps) ^ a <= (1 + eps) ^ b.
Proof. intros. apply Rle_pow; [lra|assumption]. Qed.

Lemma total_zeros : forall l, nonzero l = 0%nat -> total l = 0.
Proof.
  induction l as [|x l IH]; unfold nonzero in *; simpl; [reflexivity|]. destruct (Req_EM_T x 0); simpl; [|discriminate].
  intros. rewrite IH by assumption. lra.
Qed.

Lemma computed_zeros : forall s, nonzero (terms s) = 0%nat -> computed rnd s = 0.
Proof.
  induction s as [p|a IHa b IHb|a IHa p]; simpl; intros N.
  - unfold nonzero in N. simpl in N. destruct (Req_EM_T p 0) as [->|]; [apply rounded_zero|discriminate].
  - rewrite nonzero_app in N. rewrite IHa, IHb, Rplus_0_r by lia. apply rounded_zero.
  - rewrite nonzero_app in N. rewrite IHa by lia. unfold nonzero in N. simpl in N.
    destruct (Req_EM_T p 0) as [->|]; simpl in N; [rewrite Rplus_0_r; apply rounded_zero|lia].
Qed.

(** What is computed is at most n·B·(1 + eps)^n, and off by at most eps·G·B·(n(n + 3)/2 - 1), n the number of products that are not 0. *)
Lemma computed_error : forall s, Forall (fun x => Rabs x <= B) (terms s) ->
  let n := nonzero (terms s) in (1 <= n <= M)%nat ->
  Rabs (computed rnd s) <= INR n * B * (1 + eps) ^ n /\
  Rabs (computed rnd s - total (terms s)) <= eps * G * B * ((INR n * INR n + 3 * INR n) / 2 - 1).
Proof.
  assert (G1 : 1 <= G) by (eapply Rle_trans; [apply pow_R1_Rle|exact HG]; lra).
  assert (eG : 0 <= eps * G * B) by (apply Rmult_le_pos; [apply Rmult_le_pos|]; lra).
  (* one addition of parts with j and k products that are not 0 *)
  assert (STEP : forall x y j k, (1 <= j)%nat -> (1 <= k)%nat -> (j + k <= M)%nat ->
    Rabs x <= INR j * B * (1 + eps) ^ j -> Rabs y <= INR k * B * (1 + eps) ^ k ->
    Rabs (rnd (x + y)) <= INR (j + k) * B * (1 + eps) ^ (j + k) /\
    Rabs (rnd (x + y) - (x + y)) <= eps * G * B * INR (j + k)).
  { intros x y j k Hj Hk HM Hx Hy.
    assert (P : forall i, 0 < (1 + eps) ^ i) by (intros; apply pow_lt; lra).
    assert (S : Rabs (x + y) <= INR (j + k) * B * (1 + eps) ^ (j + k - 1)).
    { eapply Rle_trans; [apply Rabs_triang|]. rewrite plus_INR.
      assert (INR j * B * (1 + eps) ^ j <= INR j * B * (1 + eps) ^ (j + k - 1)).
      { apply Rmult_le_compat_l; [apply Rmult_le_pos; [apply pos_INR|lra]|apply power_monotone; lia]. }
      assert (INR k * B * (1 + eps) ^ k <= INR k * B * (1 + eps) ^ (j + k - 1)).
      { apply Rmult_le_compat_l; [apply Rmult_le_pos; [apply pos_INR|lra]|apply power_monotone; lia]. }
      lra. }
    split.
    - eapply Rle_trans; [apply rounded_size|]. replace (j + k)%nat with (Datatypes.S (j + k - 1)) at 2 by lia. simpl pow.
      assert (0 <= 1 + eps) by lra. generalize (Rmult_le_compat_l _ _ _ H S). lra.
    - eapply Rle_trans; [apply A|]. rewrite !Rmult_assoc. apply Rmult_le_compat_l; [lra|].
      assert (Q : (1 + eps) ^ (j + k - 1) <= G) by (eapply Rle_trans; [apply power_monotone|exact HG]; lia).
      eapply Rle_trans; [exact S|]. rewrite (Rmult_comm G), (Rmult_comm B (INR _)).
      apply Rmult_le_compat_l; [apply Rmult_le_pos; [apply pos_INR|lra]|exact Q]. }
  assert (LEAF : forall p, p <> 0 -> Rabs p <= B -> Rabs (rnd p) <= INR 1 * B * (1 + eps) ^ 1 /\ Rabs (rnd p - p) <= eps * G * B * 1).
  { intros p _ H. split.
    - eapply Rle_trans; [apply rounded_size|]. simpl. assert (0 <= 1 + eps) by lra. generalize (Rmult_le_compat_l _ _ _ H0 H). lra.
    - eapply Rle_trans; [apply A|]. rewrite Rmult_1_r.
      assert (eps * Rabs p <= eps * B) by (apply Rmult_le_compat_l; lra).
      assert (eps * B * 1 <= eps * B * G) by (apply Rmult_le_compat_l; [apply Rmult_le_pos|]; lra). lra. }
  induction s as [p|a IHa b IHb|a IHa p]; intros F n Hn; subst n; simpl terms in *; simpl computed.
  - unfold nonzero in *. simpl in *. destruct (Req_EM_T p 0) as [->|N]; simpl in Hn; [lia|]. simpl length.
    assert (H : Rabs p <= B) by (inversion F; assumption).
    destruct (LEAF p N H) as [L1 L2]. split; [exact L1|]. rewrite Rplus_0_r. simpl. lra.
  - rewrite nonzero_app, total_app in *. apply Forall_app in F as [Fa Fb]. specialize (IHa Fa). specialize (IHb Fb). cbv zeta in *.
    destruct (Nat.eq_dec (nonzero (terms a)) 0) as [Za|Na]; [|destruct (Nat.eq_dec (nonzero (terms b)) 0) as [Zb|Nb]].
    + rewrite (computed_zeros a Za), (total_zeros _ Za), Za, !Rplus_0_l, computed_fixed. simpl Nat.add. apply IHb. lia.
    + rewrite (computed_zeros b Zb), (total_zeros _ Zb), Zb, !Rplus_0_r, computed_fixed, Nat.add_0_r. apply IHa. lia.
    + destruct IHa as [Sa Ea]; [lia|]. destruct IHb as [Sb Eb]; [lia|].
      destruct (STEP _ _ (nonzero (terms a)) (nonzero (terms b)) ltac:(lia) ltac:(lia) ltac:(lia) Sa Sb) as [S E]. split; [exact S|].
      replace (rnd (computed rnd a + computed rnd b) - (total (terms a) + total (terms b)))
        with ((rnd (computed rnd a + computed rnd b) - (computed rnd a + computed rnd b))
              + ((computed rnd a - total (terms a)) + (computed rnd b - total (terms b)))) by ring.
      eapply Rle_trans; [apply Rabs_triang|]. eapply Rle_trans; [apply Rplus_le_compat_l, Rabs_triang|].
      rewrite plus_INR in *.
      assert (1 <= INR (nonzero (terms a))) by (apply (le_INR 1); lia).
      assert (1 <= INR (nonzero (terms b))) by (apply (le_INR 1); lia).
      set (j := INR (nonzero (terms a))) in *. set (k := INR (nonzero (terms b))) in *.
      assert (Q : eps * G * B * (j + k + ((j * j + 3 * j) / 2 - 1) + ((k * k + 3 * k) / 2 - 1))
                  <= eps * G * B * (((j + k) * (j + k) + 3 * (j + k)) / 2 - 1)) by (apply Rmult_le_compat_l; [exact eG|nra]).
      lra.
  - rewrite nonzero_app, total_app in *. apply Forall_app in F as [Fa Fp]. specialize (IHa Fa). cbv zeta in *.
    assert (H : Rabs p <= B) by (inversion Fp; assumption).
    assert (NP : nonzero (p :: nil) = if Req_EM_T p 0 then 0%nat else 1%nat) by (unfold nonzero; simpl; destruct (Req_EM_T p 0); reflexivity).
    rewrite NP in Hn |- *. clear NP. destruct (Req_EM_T p 0) as [->|N]; simpl (total (_ :: nil)).
    + rewrite !Rplus_0_r, computed_fixed, Nat.add_0_r. apply IHa. lia.
    + destruct (Nat.eq_dec (nonzero (terms a)) 0) as [Za|Na].
      * rewrite (computed_zeros a Za), (total_zeros _ Za), Za, !Rplus_0_l, Rplus_0_r. simpl Nat.add.
        destruct (LEAF p N H) as [L1 L2]. split; [exact L1|]. simpl INR. lra.
      * destruct IHa as [Sa Ea]; [lia|].
        assert (Sp : Rabs p <= INR 1 * B * (1 + eps) ^ 1).
        { simpl. eapply Rle_trans; [exact H|]. assert (B * 1 <= B * (1 + eps)) by (apply Rmult_le_compat_l; lra). lra. }
        destruct (STEP _ p (nonzero (terms a)) 1%nat ltac:(lia) ltac:(lia) ltac:(lia) Sa Sp) as [S E]. split; [exact S|].
        replace (rnd (computed rnd a + p) - (total (terms a) + (p + 0)))
          with ((rnd (computed rnd a + p) - (computed rnd a + p)) + (computed rnd a - total (terms a))) by ring.
        eapply Rle_trans; [apply Rabs_triang|]. rewrite plus_INR in E |- *. simpl (INR 1) in *.
        set (j := INR (nonzero (terms a))) in *. assert (1 <= j) by (apply (le_INR 1); lia).
        assert (Q : eps * G * B * (j + 1 + ((j * j + 3 * j) / 2 - 1)) <= eps * G * B * (((j + 1) * (j + 1) + 3 * (j + 1)) / 2 - 1))
          by (apply Rmult_le_compat_l; [exact eG|nra]).
        lra.
Qed.
End sums.

(** Rounding to nearest is off by at most 2^-t of the number, where numbers have no least exponent. *)
Theorem nearest_is_accurate :
  forall (t : Z) (ties : Z -> bool), (0 < t)%Z -> accurate (bpow radix2 (- t)) (round radix2 (FLX_exp t) (Znearest ties)).
Proof.
  intros t ties Ht. assert (Pt : Prec_gt_0 t) by exact Ht. split; intros x.
  - eapply Rle_trans; [apply relative_error_N_FLX; exact Ht|]. rewrite bpow_plus. change (bpow radix2 1) with 2.
    apply Req_le. field.
  - apply round_generic; [apply valid_rnd_N|]. apply generic_format_round; [apply FLX_exp_valid; exact Ht|apply valid_rnd_N].
Qed.

Lemma rounded_multiple : forall t emin ties x, (0 < t)%Z -> multiple emin x ->
  rounding t emin (Znearest ties) x = round radix2 (FLX_exp t) (Znearest ties) x /\
  multiple emin (rounding t emin (Znearest ties) x).
Proof.
  intros t emin ties x Ht Hx. assert (Pt : Prec_gt_0 t) by exact Ht. split.
  - destruct (Rle_lt_dec (bpow radix2 (emin + t - 1)) (Rabs x)) as [H|H].
    + apply round_FLT_FLX. exact H.
    + assert (G : generic_format radix2 (FLT_exp emin t) x).
      { apply multiple_is_representable with emin; auto; [lia|]. apply Rlt_le. eapply Rlt_le_trans; [exact H|]. apply bpow_le. lia. }
      unfold rounding. rewrite !round_generic; auto with typeclass_instances. eapply generic_format_FLX_FLT, G.
  - assert (G : generic_format radix2 (FLT_exp emin t) (rounding t emin (Znearest ties) x)).
    { apply generic_format_round; [apply FLT_exp_valid; exact Ht|apply valid_rnd_N]. }
    apply FLT_format_generic in G; [|exact Ht]. destruct G as [f E _ L]. rewrite E. exists (Fnum f * 2 ^ (Fexp f - emin))%Z.
    unfold F2R. rewrite mult_IZR. change 2%Z with (radix_val radix2). rewrite (IZR_Zpower radix2) by lia.
    rewrite Rmult_assoc, <- bpow_plus. f_equal. f_equal. ring.
Qed.

(** Sums of multiples of the least subnormal number 2^emin round as if there were no least exponent: weights times integers are such. *)
Theorem no_underflow_in_sums :
  forall (t emin : Z) (ties : Z -> bool) (order : sum), (0 < t)%Z -> Forall (multiple emin) (terms order) ->
  computed (rounding t emin (Znearest ties)) order = computed (round radix2 (FLX_exp t) (Znearest ties)) order.
Proof.
  intros t emin ties order Ht F.
  assert (H : computed (rounding t emin (Znearest ties)) order = computed (round radix2 (FLX_exp t) (Znearest ties)) order
              /\ multiple emin (computed (rounding t emin (Znearest ties)) order)); [|apply H].
  induction order as [p|a IHa b IHb|a IHa p]; simpl in *.
  - inversion F. apply rounded_multiple; assumption.
  - apply Forall_app in F as [Fa Fb]. destruct (IHa Fa) as [Ea Ma]. destruct (IHb Fb) as [Eb Mb].
    rewrite <- Ea, <- Eb. apply rounded_multiple; auto using multiple_add.
  - apply Forall_app in F as [Fa Fp]. destruct (IHa Fa) as [Ea Ma]. inversion Fp.
    rewrite <- Ea. apply rounded_multiple; auto using multiple_add.
Qed.
